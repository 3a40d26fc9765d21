"""A job in; an adapter that does one task, or several that were mixed, in its work folder, out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from builder import aware, encode, fit
from builder.encode import Example
from builder.fit import Fitted
from builder.job import TRAINED, Job, Report
from builder.recipes import Recipe
from builder.split import groups_for_validation
from builder.tasks.draw import Team
from builder.tasks.mix import mixed, share_of
from builder.tasks.prompts import messages
from builder.tasks.ready import Ready, kept, names
from builder.tasks.spec import Source
from lorekeeper.artifacts import write_whole
from lorekeeper.domain import Progress, Run, Stage
from lorekeeper.errors import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A task's rows as they are learned, and those that show when learning becomes memorising."""

    train: list[Example]
    validation: list[Example]


def one(job: Job) -> Fitted:
    """Way `task`: train on one task's rows."""
    (rows,) = encoded(job, tasks_of(job))
    return _fit(job, rows, job.work, job.report)


def several(job: Job) -> Fitted:
    """Way `multitask`: train on all tasks' rows, mixed by temperature; on each alone, too, if wanted."""
    tasks = tasks_of(job)
    rows = {ready.task.name: found for ready, found in zip(tasks, encoded(job, tasks), strict=True)}
    for name, found in rows.items() if job.recipe.compare_single else ():
        folder = single(job.work, name)
        if not (folder / TRAINED).is_file():
            fitted = _fit(job, found, folder, noting(job.report, f"{name} alone, to compare"))
            write_whole(folder / TRAINED, json.dumps(asdict(fitted)))
    recipe = job.recipe
    together = Encoded(
        train=mixed(
            {name: found.train for name, found in rows.items()},
            temperature=recipe.temperature,
            epochs=recipe.epochs,
            seed=recipe.seed,
        ),
        validation=[row for found in rows.values() for row in found.validation],
    )
    once = replace(
        job, recipe=recipe.model_copy(update={"epochs": 1.0})
    )  # all passes are in the mix
    return _fit(once, together, job.work, noting(job.report, f"{len(rows)} tasks together"))


def single(work: Path, name: str) -> Path:
    """Where a task's own adapter is trained, to compare with."""
    return work / "single" / name


def tasks_of(job: Job) -> list[Ready]:
    """The recipe's tasks with their rows; the same ones when a run goes on.

    Raises:
        NotFound, BadInput: there is no such task, or too little of it to learn from.
    """
    team = Team(engine=job.engine, settings=job.settings, train=job.train, heldout=job.heldout)
    found = kept(job.work / "tasks.json", names(job.recipe), team, job.recipe.versions)
    for ready in found:
        for why in ready.rows.left_out:
            log.warning("rows left out", task=ready.task.name, why=why)
    return found


def encoded(job: Job, tasks: Sequence[Ready]) -> list[Encoded]:
    """Each task's training rows. Rows that are too long are left out, and listed.

    Raises:
        BadInput: no row of a task fits.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.base)
    made: list[Encoded] = []
    long: list[dict[str, object]] = []
    for ready in tasks:
        found = examples(job, ready, tokenizer)
        try:
            fits, too_long = encode.fitting(found, job.recipe.max_tokens)
        except BadInput as error:
            raise BadInput(f"The task {ready.task.name}: {error.what}", fix=error.fix) from None
        made.append(_apart(job.recipe, ready, found, fits))
        long += [asdict(row) | {"task": ready.task.name} for row in too_long]
        if too_long:
            log.warning("rows are too long", task=ready.task.name, rows=len(too_long))
    write_whole(job.work / "left-out.json", json.dumps(long))
    return made


def rows_of(job: Job) -> tuple[list[Example], list[Example]]:
    """Rows of one pass over all tasks, and rows to validate with, also those that are too long: for the plan."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.base)
    found = [(ready, examples(job, ready, tokenizer)) for ready in tasks_of(job)]
    apart = [_apart(job.recipe, ready, rows, rows) for ready, rows in found]
    train, validation = ([one.train for one in apart], [one.validation for one in apart])
    return list(chain.from_iterable(train)), list(chain.from_iterable(validation))


def replayed(earlier: Sequence[Sequence[Example]], count: int, recipe: Recipe) -> list[Example]:
    """The replay share of a stage of `count` rows, from all earlier stages alike."""
    each = math.ceil(recipe.replay * count / len(earlier)) if earlier else 0
    return [
        row
        for number, rows in enumerate(earlier)
        for row in share_of(rows, each, seed=recipe.seed + number)
    ]


def noting(report: Report, note: str) -> Report:
    """Progress that says which part of the run it is of."""

    def noted(progress: Progress) -> Run:
        return report(replace(progress, note=f"{note}, {progress.note}" if progress.note else note))

    return noted


def examples(job: Job, ready: Ready, tokenizer: PreTrainedTokenizerBase) -> list[Example]:
    """The team's own pairs are learned as the assistant is asked: some with what retrieval brings."""
    if ready.task.source is Source.PAIRS:
        ids = {row.pair_id for row in ready.rows.train}
        rows = [row for row in job.train if row.pair_id in ids]
        return aware.examples(rows, job.recipe, job.library, tokenizer)
    return [
        encode.example(row.pair_id, messages(ready.task, row.input), row.output, tokenizer)
        for row in ready.rows.train
    ]


def _apart(
    recipe: Recipe, ready: Ready, found: Sequence[Example], fits: Sequence[Example]
) -> Encoded:
    """Whole groups are held back to validate with. `found` are all rows, in the task's order."""
    groups = [row.group for row in ready.rows.train]
    back = groups_for_validation(groups, share=recipe.validation, seed=recipe.seed)
    held = {id(row) for row, group in zip(found, groups, strict=True) if group in back}
    return Encoded(
        train=[row for row in fits if id(row) not in held],
        validation=[row for row in fits if id(row) in held],
    )


def _fit(job: Job, rows: Encoded, work: Path, report: Report) -> Fitted:
    report(Progress(stage=Stage.PREPARING, note="loading the base model"))
    work.mkdir(parents=True, exist_ok=True)
    model = fit.load(job.base, job.recipe)
    fitted = fit.fit(
        model,
        rows.train,
        job.recipe,
        work,
        report,
        validation=rows.validation,
        trackers=job.settings.train.trackers,
    )
    fit.save(model, work)
    return fitted
