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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Engine

from builder import (
    aware,
    candidate,
    dataset,
    evaluate,
    gate,
    instruction,
    merge,
    recipes,
    stages,
    trackers,
)
from builder.fit import ADAPTER, BEST, MODEL, START, Fitted
from builder.job import Job
from builder.library import open_library
from builder.report import card, energy, evidence, extremes, provenance
from builder.report.gather import gather
from builder.tasks import judged as of_tasks
from builder.tasks import learn
from lorekeeper import identity, models
from lorekeeper.artifacts import ArtifactStore, full_disk_is_said, write_whole
from lorekeeper.domain import Adapter, AdapterKind, Outcome, Progress, Run, Stage
from lorekeeper.errors import LorekeeperError
from lorekeeper.settings import Settings
from lorekeeper.store import adapters, datasets, deployments, reading, runs

if TYPE_CHECKING:
    pass

log = structlog.get_logger(__name__)

# Bytes. torch names no reason when a write fails; a disk with less than this left is one.
FULL = 64 * 1024
TRAINED = "trained.json"  # written last into the work folder: what training did, once it has ended

# What a recipe's `way` names. Each leaves the adapter in the work folder.
WAYS: Mapping[str, Callable[[Job], Fitted]] = {
    "instruction": instruction.train,
    "task": learn.one,
    "multitask": learn.several,
    "sequential": stages.train,
}


def run(engine: Engine, settings: Settings, run_id: int, worker: str) -> Adapter:
    """Train, compare, judge and record; promote where the gate says so.

    Raises:
        LeaseLost: the run belongs to another worker by now.
        Cancelled: somebody asked for it to stop.
        LorekeeperError: whatever else a person can fix; says how.
    """

    def report(progress: Progress) -> Run:
        with engine.begin() as db:
            return runs.report(db, run_id, worker, progress)

    # What to do, and with what; an attempt may have died with everything done but the last word.
    with reading(engine) as db:
        asked = runs.get(db, run_id)
        recorded = adapters.of_run(db, run_id)
        frozen = datasets.get(db, asked.dataset_id)
    if recorded is not None:
        return recorded
    recipe = recipes.load(asked.recipe, asked.options, data=settings.store.data)
    recipes.refuse_unservable(recipe, settings.serving)
    trackers.refuse_missing(settings.train.trackers)
    report(Progress(stage=Stage.PREPARING, note="reading the dataset and the index"))
    artifacts = ArtifactStore(settings.store.data)
    folder = artifacts.open(frozen.folder)
    train, heldout = dataset.read(folder, datasets.TRAIN), dataset.read(folder, datasets.HELDOUT)
    library = open_library(engine, settings, train, heldout)
    base = models.get(asked.base_model, settings.store.data)
    work = settings.store.data / "runs" / str(run_id)
    work.mkdir(parents=True, exist_ok=True)
    _use_threads(settings.train.threads)

    # Train in the recipe's way, unless an earlier attempt did.
    job = Job(
        engine=engine,
        settings=settings,
        run=asked,
        recipe=recipe,
        base=base,
        work=work,
        train=train,
        heldout=heldout,
        library=library,
        report=report,
    )
    if not (work / TRAINED).is_file():
        with _full_disk_is_said(work):
            fitted = WAYS[recipe.way](job)
            if recipe.merged:
                merge.into_model(base, work / ADAPTER, work / MODEL)
            write_whole(work / TRAINED, json.dumps(asdict(fitted)))
        _clear(work)

    # Compare all arms at the precision that is served, and judge.
    judged = candidate.judged(base, work, settings)
    newest = sorted(heldout, key=lambda row: row.answer_ts, reverse=True)
    questions = newest[: settings.train.evaluation_questions]
    scores = evaluate.evaluate(
        judged,
        library,
        questions,
        generate=settings.train.generated_answers,
        report=lambda done, of, what: _evaluating(report, done, of, what),
    )
    scores = of_tasks.evaluated(scores, judged, job)
    if recipe.declines:
        sourced = aware.measure(judged, library, questions, most=settings.train.generated_answers)
        scores = replace(scores, sourced=sourced)
    report(Progress(stage=Stage.JUDGING, note="comparing with what is served now"))
    rival = candidate.loss_of_served(
        engine, settings, judged, base, asked.base_model, library, questions
    )
    verdict = of_tasks.decided(gate.judge(scores, settings.train, serving=rival), scores, job)

    # Keep the adapter with everything that is known about it.
    trained_on = identity.of(base, settings.store.data)
    about = provenance.about(asked, frozen, recipe, trained_on, scores.precision)
    told = extremes.told(judged, library, questions, scores, most=settings.train.generated_answers)
    kept = gather(
        engine,
        settings,
        run=asked,
        frozen=frozen,
        work=work,
        train=train,
        questions=questions,
        fitted=Fitted(**json.loads((work / TRAINED).read_text(encoding="utf-8"))),
        about=about,
        scores=scores,
        verdict=verdict,
        told=told,
    )
    kind = candidate.kind_of(work)
    with artifacts.write("adapters", about) as draft:
        candidate.copy(work, draft.path)
        dataset_card = (folder / "card.md").read_text(encoding="utf-8")
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
            rank=recipe.rank if kind is AdapterKind.ADAPTER else 0,
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


def _evaluating(report: Any, done: int, of: int, what: str) -> None:
    report(Progress(stage=Stage.EVALUATING, step=done, steps=of, note=what))


def _use_threads(count: int) -> None:
    import torch

    if count:
        torch.set_num_threads(count)


def main() -> None:
    """Exit code 0: done. 2: a person can fix it, and the last line of stderr says how, as JSON."""
    from lorekeeper import settings as config
    from lorekeeper import store, telemetry

    telemetry.configure()
    run_id, worker = int(sys.argv[1]), sys.argv[2]
    settings = config.load()
    engine = store.connect(settings.database_url)
    try:
        with energy.metered(settings.store.data / "runs" / str(run_id), settings.energy):
            adapter = run(engine, settings, run_id, worker)
    except LorekeeperError as error:
        told = {"kind": type(error).__name__, "what": error.what, "fix": error.fix}
        print(json.dumps(told), file=sys.stderr)
        raise SystemExit(2) from error
    print(json.dumps({"adapter_id": adapter.id}))


if __name__ == "__main__":
    main()
