"""A job with stages in; one adapter that learned them one after the other, with replay, out.

Each stage begins with the weights that the last one ended with, and learns a share of the earlier
stages' rows again, against forgetting. What each stage did to the earlier ones is measured afterwards, at
the precision that is served.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from builder import fit
from builder.fit import ADAPTER, Fitted
from builder.job import TRAINED, Job
from builder.scoring import Judged, wearing
from builder.tasks import scoring
from builder.tasks.learn import encoded, noting, replayed, tasks_of
from builder.tasks.ready import Ready
from lorekeeper.artifacts import write_whole
from lorekeeper.domain import Progress, Stage, Stages, Transfer
from lorekeeper.paired import paired


def train(job: Job) -> Fitted:
    """Way `sequential`. A run that was killed goes on in the stage where it was."""
    tasks = tasks_of(job)
    rows = encoded(job, tasks)
    job.report(Progress(stage=Stage.PREPARING, note="loading the base model"))
    model = fit.load(job.base, job.recipe)
    done: list[Fitted] = []
    for number, ready in enumerate(tasks):
        work = folder(job.work, number, ready.task.name)
        if not (work / TRAINED).is_file():
            work.mkdir(parents=True, exist_ok=True)
            if number:
                # From the disk even where the model has them: a stage begins alike, however it came to it.
                _put_on(model, folder(job.work, number - 1, tasks[number - 1].task.name))
            note = f"stage {number + 1} of {len(tasks)}: {ready.task.name}"
            own, earlier = rows[number], [one.train for one in rows[:number]]
            fitted = fit.fit(
                model,
                [*own.train, *replayed(earlier, len(own.train), job.recipe)],
                job.recipe,
                work,
                noting(job.report, note),
                validation=own.validation,
                trackers=job.settings.train.trackers,
            )
            fit.save(model, work)
            write_whole(work / TRAINED, json.dumps(asdict(fitted)))
        done.append(Fitted(**json.loads((work / TRAINED).read_text(encoding="utf-8"))))
    _put_on(model, folder(job.work, len(tasks) - 1, tasks[-1].task.name))
    fit.save(model, job.work)
    return _together(done)


def measure(judged: Judged, job: Job) -> Stages:
    """The loss on each stage's held-out rows, of the base and after each stage."""
    tasks = tasks_of(job)
    sets = [
        scoring.judging(
            ready.rows.heldout,
            ready.task,
            judged.tokenizer,
            most=job.recipe.judged_rows,
            longest=job.recipe.max_tokens,
        )
        for ready in tasks
    ]
    losses: list[list[list[float]]] = []
    for number in range(len(tasks) + 1):
        note = "scoring the stages " + (
            "before training" if not number else f"after {tasks[number - 1].task.name}"
        )
        job.report(Progress(stage=Stage.EVALUATING, step=number, steps=len(tasks) + 1, note=note))
        with _as_after(judged, job, tasks, number):
            losses.append(
                [
                    scoring.losses(judged, ready.task, rows)
                    for ready, rows in zip(tasks, sets, strict=True)
                ]
            )
    return Stages(
        names=tuple(ready.task.name for ready in tasks),
        rows=tuple(map(len, sets)),
        losses=tuple(tuple(sum(one) / len(one) for one in after) for after in losses),
        transfers=tuple(
            _transfer(ready.task.name, losses[-1][at], losses[at + 1][at], [r.group for r in rows])
            for at, (ready, rows) in enumerate(zip(tasks[:-1], sets[:-1], strict=True))
        ),
    )


def folder(work: Path, number: int, name: str) -> Path:
    """Where a stage is trained, counted from 0."""
    return work / "stages" / f"{number + 1}-{name}"


def _as_after(
    judged: Judged, job: Job, tasks: Sequence[Ready], number: int
) -> AbstractContextManager[None]:
    """The model as it was after `number` stages."""
    if not number:
        context: AbstractContextManager[None] = judged.model.disable_adapter()
        return context
    if number == len(tasks):
        return nullcontext()
    at = folder(job.work, number - 1, tasks[number - 1].task.name)
    return wearing(judged, at / ADAPTER)


def _transfer(
    name: str, last: Sequence[float], own: Sequence[float], groups: Sequence[str]
) -> Transfer:
    found = paired(last, own, groups)
    return Transfer(stage=name, mean=found.mean, low=found.low, high=found.high)


def _put_on(model: Any, stage: Path) -> None:
    """Give the model's adapter the weights that a stage ended with."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    set_peft_model_state_dict(model, load_file(stage / ADAPTER / "adapter_model.safetensors"))


def _together(done: Sequence[Fitted]) -> Fitted:
    tokens = sum(one.answer_tokens for one in done)
    return Fitted(
        steps=sum(one.steps for one in done),
        rows=sum(one.rows for one in done),
        answer_tokens=tokens,
        loss=done[-1].loss,
        seconds=sum(one.seconds for one in done),
    )
