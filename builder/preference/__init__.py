"""Tuning from feedback: corrections and thumbs in; the adapter that they were given to, moved towards them, out.

It goes on with the adapter that it starts from, so one LoRA adapter is served, no stack. That adapter as
it was is the reference that the losses need; what it thinks of every answer is computed once, before
training, which takes half of the time and none of the memory of keeping it.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import Engine

from builder import dataset, encode, fit
from builder.fit import Fitted
from builder.job import Job
from builder.preference import encoded, rows, start
from builder.preference.encoded import Encoded
from builder.preference.rows import Collected
from builder.recipes import Recipe
from lorekeeper.artifacts import ArtifactStore, write_whole
from lorekeeper.domain import DatasetVersion, Preference, Progress, Stage
from lorekeeper.errors import BadInput
from lorekeeper.settings import Settings
from lorekeeper.store import reading
from lorekeeper.store.rows import plain, revive

log = structlog.get_logger(__name__)

COLLECTED = "collected.json"  # in the run's work folder: what people preferred when the run began
MEASURED = "preference.json"  # and what came of it, once training has ended


def train(job: Job) -> Fitted:
    """Move an adapter by the feedback on answers, from the last whole checkpoint where there is one.

    Raises:
        BadInput: there is too little to learn from, or no adapter to start from.
    """
    from builder.preference.measure import measure, think
    from builder.preference.trainer import move

    begun = start.choose(job)
    found = collected(job)
    job.report(Progress(stage=Stage.PREPARING, note=found.note or "reading what people preferred"))
    made = encoded.kept(job.work)
    model = begun.load(job.base, job.recipe)
    if made is None:
        made = encoded.with_reference(_encoded(job, found), partial(think, model))
        encoded.keep(made, job.work)
    fitted = move(
        model,
        made.train,
        begun.recipe(job.recipe),
        job.work,
        job.report,
        job.settings.train.trackers,
    )
    fit.save(model, job.work)
    too_long = {"longer than max_tokens": len(made.too_long)} if made.too_long else {}
    about = Preference(
        method=job.recipe.preference,
        starts_from=begun.name,
        learned=len(made.train),
        left_out={**found.left_out, **too_long},
        note=found.note,
    )
    measured = measure(model, made.heldout, job.recipe, about)
    write_whole(job.work / MEASURED, json.dumps(plain(measured)))
    log.info("learned from feedback", learned=measured.learned, accuracy=measured.accuracy)
    return fitted


def examples(job: Job) -> list[encode.Example]:
    """Every answer that a run reads, those that are too long for it as well.

    Raises:
        BadInput: there is too little to learn from.
    """
    made = _encoded(job, collected(job))
    return [*(row.example for unit in made.train for row in unit.rows), *made.too_long]


def refuse_unready(
    engine: Engine, settings: Settings, recipe: Recipe, version: DatasetVersion, base: str
) -> None:
    """Refuse before anything is queued what `train` would refuse; nothing for another way of tuning.

    Raises:
        BadInput, NotFound: as `train`.
    """
    if recipe.way != "feedback":
        return
    folder = ArtifactStore(settings.store.data).open(version.folder)
    train, heldout = dataset.read_both(folder)
    with reading(engine) as db:
        start.chosen(db, base, recipe)
        rows.collect(db, settings, recipe, train, heldout)


def measured(work: Path) -> Preference | None:
    """What tuning from feedback did in this run; None where it was tuned in another way."""
    file = work / MEASURED
    if not file.is_file():
        return None
    return revive(Preference, json.loads(file.read_text(encoding="utf-8")))


def collected(job: Job) -> Collected:
    """What people prefer: as it was when the run began, however often it has been taken up since."""
    file = job.work / COLLECTED
    if file.is_file():
        return revive(Collected, json.loads(file.read_text(encoding="utf-8")))
    with reading(job.engine) as db:
        found = rows.collect(db, job.settings, job.recipe, job.train, job.heldout)
    write_whole(file, json.dumps(plain(found)))
    return found


def _encoded(job: Job, found: Collected) -> Encoded:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.base)
    made = encoded.encoded(found, job.recipe, job.library, tokenizer)
    if not made.train:
        raise BadInput(
            f"None of the {len(made.too_long)} preferences fits into {job.recipe.max_tokens} tokens.",
            fix="Raise the recipe's max_tokens.",
        )
    return made
