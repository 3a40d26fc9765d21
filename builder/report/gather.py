"""A run that was judged in; its evidence, from its work folder, its rows and the run before it, out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from builder.dataset import Row
from builder.fit import Fitted
from builder.freeze import rows as rows_of
from builder.report import energy, evidence
from builder.report.evidence import Evidence, Told
from lorekeeper.domain import DatasetVersion, Evaluation, Run, Verdict
from lorekeeper.settings import Settings
from lorekeeper.store import adapters, datasets, reading

PLAN = "plan.json"  # what was foretold of the run, by name


def gather(
    engine: Engine,
    settings: Settings,
    *,
    run: Run,
    frozen: DatasetVersion,
    work: Path,
    train: Sequence[Row],
    questions: Sequence[Row],
    fitted: Fitted,
    about: Mapping[str, Any],
    scores: Evaluation,
    verdict: Verdict,
    told: Sequence[Told],
) -> Evidence:
    """Everything that the report tells of a run, before its adapter has a name."""
    before = _before(engine, frozen)
    now = rows_of(settings, frozen)
    return Evidence(
        run=run.id,
        at=time.time(),
        evaluation=scores,
        verdict=verdict,
        about=about,
        dataset=frozen.name,
        train=frozen.train,
        heldout=frozen.heldout,
        places=evidence.places(questions),
        training=evidence.losses(work, "loss"),
        validation=evidence.losses(work, "validation_loss"),
        best_step=getattr(fitted, "best_step", None),
        told=tuple(told),
        left_out=evidence.left_out(work, train),
        since=before.name if before else "",
        changes=evidence.changes(rows_of(settings, before), now) if before else (),
        planned=_planned(work),
        real=_real(fitted),
        energy=energy.used(work),
    )


def _before(engine: Engine, frozen: DatasetVersion) -> DatasetVersion | None:
    """The dataset of the newest adapter that was made from another one."""
    with reading(engine) as db:
        for adapter in reversed(adapters.all(db)):
            if adapter.dataset_id != frozen.id:
                return datasets.get(db, adapter.dataset_id)
    return None


def _planned(work: Path) -> dict[str, float]:
    path = work / PLAN
    if not path.is_file():
        return {}
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {name: value for name, value in kept.items() if isinstance(value, int | float)}


def _real(fitted: Fitted) -> dict[str, float]:
    return {
        "seconds": fitted.seconds,
        "steps": fitted.steps,
        "examples": fitted.rows,
        "answer_tokens": fitted.answer_tokens,
    }
