"""A run that was judged in; its evidence, from its work folder, its rows and the run before it, out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from builder.dataset import Row
from builder.freeze import rows as rows_of
from builder.job import TRAINED
from builder.report import energy, evidence
from builder.report.evidence import Evidence, Loss, Told
from builder.report.judge import Judgement
from lorekeeper.domain import DatasetVersion, Evaluation, Plan, Run, Verdict
from lorekeeper.settings import Settings
from lorekeeper.store import adapters, datasets, reading, runs


def gather(
    engine: Engine,
    settings: Settings,
    *,
    run_id: int,
    frozen: DatasetVersion,
    work: Path,
    train: Sequence[Row],
    questions: Sequence[Row],
    about: Mapping[str, Any],
    scores: Evaluation,
    verdict: Verdict,
    told: Sequence[Told],
    judged: Judgement | None,
    curve: Path,
) -> Evidence:
    """Everything that the report tells of a run, before its adapter has a name. `curve` is the folder of the
    learning curve by the same recipe, if somebody asked for one."""
    before, trained, now = _before(engine, frozen), _trained(work), time.time()
    with reading(engine) as db:
        run = runs.get(db, run_id)  # with its plan
    return Evidence(
        run=run.id,
        at=now,
        evaluation=scores,
        verdict=verdict,
        about=about,
        dataset=frozen.name,
        train=frozen.train,
        heldout=frozen.heldout,
        places=evidence.places(questions),
        training=evidence.losses(work, "loss"),
        validation=tuple(
            Loss(step=step, loss=loss) for step, loss in trained.get("validation", ())
        ),
        best_step=trained.get("best_step"),
        told=tuple(told),
        left_out=evidence.left_out(work, train),
        since=before.name if before else "",
        changes=evidence.changes(rows_of(settings, before), rows_of(settings, frozen))
        if before
        else (),
        planned=_planned(run.plan),
        real=_real(run, trained, now),
        energy=energy.used(work),
        judged=judged,
        curve=evidence.curve(curve),
    )


def _before(engine: Engine, frozen: DatasetVersion) -> DatasetVersion | None:
    """The dataset of the newest adapter that was made from another one."""
    with reading(engine) as db:
        for adapter in reversed(adapters.all(db)):
            if adapter.dataset_id != frozen.id:
                return datasets.get(db, adapter.dataset_id)
    return None


def _planned(plan: Plan | None) -> dict[str, float]:
    if plan is None:
        return {}
    return {
        "whole": plan.duration,
        "training": plan.seconds.get("training", 0.0),
        "steps": plan.steps,
        "rows": plan.rows,
        "memory": plan.peak,
    }


def _real(run: Run, trained: Mapping[str, Any], now: float) -> dict[str, float]:
    """What it came to. The training of an earlier attempt is in the whole time only."""
    whole = {"whole": now - run.started_at} if run.started_at is not None else {}
    memory = {"memory": trained["memory"]} if trained.get("memory") else {}
    return {
        **whole,
        "training": trained["seconds"],
        "steps": trained["steps"],
        "rows": trained["rows"],
        **memory,
    }


def _trained(work: Path) -> dict[str, Any]:
    """What training said of itself when it had ended."""
    kept: dict[str, Any] = json.loads((work / TRAINED).read_text(encoding="utf-8"))
    return kept
