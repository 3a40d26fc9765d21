"""One run, told from top to bottom: a queued run in, an adapter with its evidence out.

`python -m builder.train RUN WORKER` is what the worker starts. It can be killed at any moment and
started again: what was finished is not done twice, and training goes on from its last checkpoint.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import Engine

from builder import (
    aware,
    candidate,
    curve,
    dataset,
    evaluate,
    gate,
    instruction,
    merge,
    preference,
    search,
    shards,
    stages,
)
from builder.fit import ADAPTER, BEST, MODEL, START, Fitted
from builder.job import TRAINED, Job, evaluating, open_job
from builder.launch import processes
from builder.plan.make import settle
from builder.report import card, energy, evidence, extremes, provenance
from builder.report.gather import gather
from builder.report.judging import judged as judged_by
from builder.tasks import judged as of_tasks
from builder.tasks import learn
from lorekeeper import identity
from lorekeeper.artifacts import ArtifactStore, full_disk_is_said, write_whole
from lorekeeper.domain import Adapter, AdapterKind, Goal, Outcome, Plan, Progress, Run, Stage
from lorekeeper.errors import LorekeeperError
from lorekeeper.settings import Settings
from lorekeeper.store import adapters, datasets, deployments, reading, runs
from lorekeeper.up import die_with_parent

log = structlog.get_logger(__name__)

# Bytes. torch names no reason when a write fails; a disk with less than this left is one.
FULL = 64 * 1024

# What a recipe's `way` names. Each leaves the adapter in the work folder.
WAYS: Mapping[str, Callable[[Job], Fitted]] = {
    "instruction": instruction.train,
    "task": learn.one,
    "multitask": learn.several,
    "sequential": stages.train,
    "feedback": preference.train,
}
# What else a run can be for than an adapter. Each says in words what it found.
GOALS: Mapping[Goal, Callable[[Job], str]] = {
    Goal.PLAN: lambda _: "",
    Goal.CURVE: curve.draw,
    Goal.SEARCH: search.search,
}


def run(engine: Engine, settings: Settings, run_id: int, worker: str) -> Adapter:
    """Train, compare, judge and record; promote where the gate says so.

    Raises:
        LeaseLost: the run belongs to another worker by now.
        Cancelled: somebody asked for it to stop.
        LorekeeperError: whatever else a person can fix; says how.
    """

    # What to do, and with what; an attempt may have died with everything done but the last word.
    with reading(engine) as db:
        asked = runs.get(db, run_id)
        recorded = adapters.of_run(db, run_id)
        frozen = datasets.get(db, asked.dataset_id)
    if recorded is not None:
        return recorded
    job = open_job(engine, settings, run_id, worker)
    base, work, library = job.base, job.work, job.library
    drawn = curve.kept_in(job)
    artifacts = ArtifactStore(settings.store.data)

    # What it will take: stored and shown before anything is trained, refused where it will not fit.
    job = settle(job, partial(_keep_plan, engine, run_id, worker))
    recipe = job.recipe

    # Train in the recipe's way, unless an earlier attempt did.
    if not (work / TRAINED).is_file():
        with _full_disk_is_said(work):
            fitted = WAYS[recipe.way](job)
            if recipe.merged:
                merge.into_model(base, work / ADAPTER, work / MODEL)
            write_whole(work / TRAINED, json.dumps(asdict(fitted)))
        _clear(work)

    # Compare all arms at the precision that is served, and judge.
    trained_on = identity.of(base, settings.store.data)
    judged = candidate.judged(base, work, settings)
    questions = dataset.newest(job.heldout, settings.train.evaluation_questions)
    scores = evaluate.evaluate(
        judged,
        library,
        questions,
        rules=settings.train,
        trained=job.train,
        work=work / "evaluation",
        shared=settings.store.data / "guards" / trained_on.short,
        report=lambda done, of, what: evaluating(job.report, done, of, what),
    )
    scores = of_tasks.evaluated(scores, judged, job)
    sourced = aware.measure(judged, library, questions, most=settings.train.sourced_answers)
    scores = replace(scores, sourced=sourced, preference=preference.measured(work))
    job.report(Progress(stage=Stage.JUDGING, note="comparing with what is served now"))
    rival = candidate.loss_of_served(
        engine, settings, judged, base, asked.base_model, library, questions
    )
    verdict = of_tasks.decided(gate.judge(scores, settings.train, serving=rival), scores, job)

    # Keep the adapter with everything that is known about it.
    about = provenance.about(asked, frozen, recipe, trained_on, scores.precision)
    told = extremes.told(judged, library, questions, scores, most=settings.train.generated_answers)
    kept = gather(
        engine,
        settings,
        run_id=run_id,
        frozen=frozen,
        work=work,
        train=job.train,
        questions=questions,
        about=about,
        scores=scores,
        verdict=verdict,
        told=told,
        curve=drawn,
        judged=judged_by(
            scores,
            questions,
            settings.judge,
            lambda done, of: evaluating(job.report, done, of, "asking the judge"),
        ),
    )
    kind = candidate.kind_of(work)
    with artifacts.write("adapters", about) as draft:
        candidate.copy(work, draft.path)
        dataset_card = (artifacts.open(frozen.folder) / "card.md").read_text(encoding="utf-8")
        (draft.path / "card.md").write_text(card.model_card(kept, dataset_card), encoding="utf-8")
        evidence.write(draft.path, kept)
    with engine.begin() as db:
        runs.beat(db, run_id, worker)  # raises where the run was given to another worker meanwhile
        adapter = adapters.add(
            db,
            run_id=run_id,
            dataset_id=frozen.id,
            base_model=asked.base_model,
            hash=draft.hash,
            folder=draft.folder,
            kind=kind,
            rank=_rank(work / ADAPTER) if kind is AdapterKind.ADAPTER else 0,
            evaluation=scores,
            verdict=verdict,
        )
        if verdict.outcome is Outcome.PROMOTE:
            deployments.deploy(db, adapter_id=adapter.id, by="gate", why=verdict.reasons[0])
    log.info("run finished", run=run_id, adapter=adapter.name, verdict=verdict.outcome.value)
    return adapter


def _clear(work: Path) -> None:
    """Remove what a run only goes on from."""
    for folder in work.rglob("checkpoint-*"):
        shutil.rmtree(folder)
    for name in (START, BEST):
        for file in work.rglob(name):
            file.unlink()


def reach(engine: Engine, settings: Settings, run_id: int, worker: str) -> None:
    """Do what the run is for, whatever that is. Raises as `run` does."""
    with reading(engine) as db:
        goal = runs.get(db, run_id).goal
    if goal is Goal.ADAPTER:
        run(engine, settings, run_id, worker)
        return
    job = open_job(engine, settings, run_id, worker)
    with _full_disk_is_said(job.work):
        settle(job, partial(_keep_plan, engine, run_id, worker))
        found = GOALS[goal](job)
    with engine.begin() as db:
        runs.found(db, run_id, worker, found)


def _keep_plan(engine: Engine, run_id: int, worker: str, made: Plan) -> Run:
    with engine.begin() as db:
        return runs.planned(db, run_id, worker, made)


@contextmanager
def _full_disk_is_said(work: Path) -> Iterator[None]:
    """A checkpoint that does not fit ends in errors of safetensors' and torch's own; say what they mean."""
    from safetensors import SafetensorError

    try:
        with full_disk_is_said(work):
            yield
    except (RuntimeError, SafetensorError) as error:
        if "No space left" not in str(error) and shutil.disk_usage(work).free > FULL:
            raise
        with full_disk_is_said(work):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error


def _rank(adapter: Path) -> int:
    """Of what was trained; feedback moves an adapter whose rank is its own."""
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    return int(config["r"])


def main() -> None:
    """Exit code 0: done. 2: a person can fix it, and the last line of stderr says how, as JSON.

    Of several processes the first one does all of it, and the others train beside it when it trains.
    """
    from lorekeeper import settings as config
    from lorekeeper import store, telemetry

    telemetry.configure()
    run_id, worker = int(sys.argv[1]), sys.argv[2]
    settings = config.load()
    engine = store.connect(settings.database_url)
    if processes.count() > 1:
        die_with_parent()
    try:
        if processes.is_main():
            with energy.metered(settings.store.data / "runs" / str(run_id), settings.energy):
                reach(engine, settings, run_id, worker)
            shards.let_go()
        else:
            processes.follow()
        processes.dismiss()
    except LorekeeperError as error:
        told = {"kind": type(error).__name__, "what": error.what, "fix": error.fix}
        print(json.dumps(told), file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
