"""A job and its rows in; seconds and bytes, measured on a few real steps, out.

The probe trains and evaluates with the functions that the run itself uses, so that whatever they
cost is in the figures. It works on a model and in a folder of its own, which is removed.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder import evaluate, fit
from builder.dataset import Row
from builder.encode import Example
from builder.guards import forgetting
from builder.job import Job
from builder.scoring import Judged, answer, load_judged, score
from lorekeeper.domain import Arm, Progress, Run, Stage
from lorekeeper.prompt import Turn, messages

PLACES, PLACES_SHORT = (0.1, 0.5, 0.9), (0.5,)  # of the length distribution, besides its end
STEPS = 2  # at each place
SHORT = 40  # steps; a shorter run is worth one place only
LOOK = 0.005  # seconds between two looks at the process's memory
QUESTIONS = 3  # held-out questions that the evaluation is timed on
GENERAL = 8  # general questions
WORDS = (2, 10)  # tokens that are written; the difference leaves out the reading of the prompt
RATE = 1e-6  # learning rate; the probe is to take time, not to learn


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a few steps took."""

    row_seconds: tuple[tuple[int, float], ...]  # tokens of a row, and its seconds forth and back
    checkpoint_seconds: float
    load_seconds: float
    before: int  # bytes that the process held before the base was loaded; 0 on a GPU
    peak: int  # bytes at the peak
    steps: int

    def seconds(self, tokens: int) -> float:
        """Of a row this long: on straight lines from nothing through the lengths that were measured."""
        import numpy as np

        lengths, seconds = zip(*self.row_seconds, strict=True)
        beyond = float(max(1.0, tokens / lengths[-1]))
        return float(np.interp(tokens, (0, *lengths), (0.0, *seconds))) * beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """What a few held-out questions took at the precision that is served."""

    load_seconds: float
    row_seconds: float  # to score one question as one arm, the passages looked up
    general_seconds: float  # to score one general question
    word_seconds: float  # to write one token of one answer
    more_seconds: float  # on top of that for each other answer that is written at the same time

    def writing(self, answers: int, tokens: int) -> float:
        """Seconds to write so many answers at once, each of so many tokens."""
        if not answers:
            return 0.0
        return tokens * (self.word_seconds + self.more_seconds * (answers - 1))


def train(job: Job, rows: Sequence[Example], scratch: Path) -> Trained:
    """Train a few steps on some of `rows`, shortest first; what comes of it is saved into `scratch`."""
    with _memory() as memory:
        began = time.monotonic()
        model = fit.load(job.base, job.recipe)
        loaded = time.monotonic() - began
        short = fit.steps_of(len(rows) // job.recipe.rows_each, job.recipe) < SHORT
        drawn = _drawn(rows, job.recipe.rows_at_once, short=short)
        timed = [_timed(job, model, some, warm=number > 0) for number, some in enumerate(drawn)]
        fit.save(model, scratch)
    longest_last = sorted(timed, key=lambda one: one.tokens)
    return Trained(
        row_seconds=tuple({one.tokens: (one.tokens, one.row) for one in longest_last}.values()),
        checkpoint_seconds=min(one.saving for one in timed),
        load_seconds=loaded,
        before=memory.before,
        peak=memory.peak,
        steps=sum(one.steps for one in timed),
    )


def judge(job: Job, adapter: Path) -> Evaluated:
    """Score and answer a few held-out questions with the adapter that the training probe left.

    Where it left a whole model, the base is asked: it is as large.
    """
    began = time.monotonic()
    judged = load_judged(job.base, adapter if adapter.is_dir() else None, job.settings)
    loaded = time.monotonic() - began
    questions = list(job.heldout)[:: max(1, len(job.heldout) // QUESTIONS)][:QUESTIONS]
    general = forgetting.questions(forgetting.KINDS[0], GENERAL)
    asked = [messages(one.question) for one in general]
    score(judged, asked[:1], [general[0].answer])  # the first forward pass warms up
    row = _seconds(lambda: _score(job, judged, questions)) / (len(questions) * len(Arm))
    known = _seconds(lambda: score(judged, asked, [one.answer for one in general]))
    one, all_ = _word(judged, asked[:1]), _word(judged, asked)
    return Evaluated(
        load_seconds=loaded,
        row_seconds=row,
        general_seconds=known / len(general),
        word_seconds=one,
        more_seconds=max(0.0, all_ - one) / max(1, len(asked) - 1),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    tokens: int  # of a row
    row: float  # seconds
    saving: float  # seconds of one checkpoint
    steps: int


def _drawn(rows: Sequence[Example], batch: int, *, short: bool) -> Iterator[Sequence[Example]]:
    """Batches of rows of nearly one length, at several places of the distribution; the longest last.

    The first has a batch more, which warms up.
    """
    for number, place in enumerate(PLACES_SHORT if short else PLACES):
        wanted = batch * (STEPS if number else STEPS + 1)
        begin = max(0, min(len(rows) - wanted, round(place * len(rows) - wanted / 2)))
        yield rows[begin : begin + wanted]
    yield rows[-batch:]


def _timed(job: Job, model: Any, rows: Sequence[Example], *, warm: bool) -> _Timed:
    """Train once on these rows, as a run would, and read the times from what it wrote."""
    recipe = job.recipe.model_copy(
        update={
            "accumulation": 1, "epochs": 1.0, "learning_rate": RATE, "warmup": 0.0,
            "checkpoint_steps": len(rows) + 1, "batch_size": job.recipe.rows_at_once,
            "packing": job.recipe.packing and job.recipe.rows_each == 1,
        }
    )  # fmt: skip
    told: list[float] = []

    def report(_: Progress) -> Run:
        told.append(time.time())
        return job.report(Progress(stage=Stage.PREPARING, note="measuring a few steps"))

    with tempfile.TemporaryDirectory(dir=job.work, prefix=".probe-") as scratch:
        fit.fit(model, rows, recipe, Path(scratch), report)
        ended = time.time()
        lines = (Path(scratch) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    moments = {entry["step"]: entry["at"] for entry in map(json.loads, lines) if "loss" in entry}
    moments = {0: told[0], **moments}
    ends = [moments[step] for step in sorted(moments)]
    steps = len(ends) - 1
    first = 0 if warm else min(1, steps - 1)  # the step that warms up is not counted
    return _Timed(
        tokens=round(sum(len(row.input_ids) for row in rows) / len(rows)),
        row=(ends[-1] - ends[first]) / (steps - first) / min(recipe.batch_size, len(rows)),
        saving=ended - ends[-1],
        steps=steps,
    )


def _score(job: Job, judged: Judged, rows: Sequence[Row]) -> None:
    for arm in Arm:
        evaluate.losses(judged, arm, rows, job.library)


def _word(judged: Judged, asked: Sequence[Sequence[Turn]]) -> float:
    """Seconds to write one token of an answer to each of these at once."""
    few, many = (_seconds(lambda most=most: answer(judged, asked, most=most)) for most in WORDS)
    return max(0.0, many - few) / (WORDS[1] - WORDS[0])


def _seconds(do: Any) -> float:
    began = time.monotonic()
    do()
    return time.monotonic() - began


@dataclass(slots=True)
class _Memory:
    before: int
    peak: int
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def _memory() -> Iterator[_Memory]:
    """What the work in the block takes at its peak: as torch counts on a GPU, else the whole process."""
    import psutil
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        taken = _Memory(before=0, peak=0)
        yield taken
        taken.peak = torch.cuda.max_memory_reserved()
        torch.cuda.empty_cache()
        return
    process = psutil.Process()
    held = process.memory_info().rss
    taken = _Memory(before=held, peak=held)

    def look() -> None:
        while not taken.over.wait(LOOK):
            taken.peak = max(taken.peak, process.memory_info().rss)

    looking = threading.Thread(target=look, name="memory", daemon=True)
    looking.start()
    try:
        yield taken
    finally:
        taken.over.set()
        looking.join()
