"""A model with its adapter, and tasks, in; each task's held-out rows answered in every way, scored, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder import encode
from builder.scoring import Judged, answer, wearing
from builder.scoring import score as nats
from builder.tasks import metrics
from builder.tasks.prompts import messages
from builder.tasks.ready import Ready
from builder.tasks.rows import TaskRow, shuffled
from builder.tasks.spec import Metric, Task
from lorekeeper.domain import Asked, TaskArm, TaskScore
from lorekeeper.errors import BadInput
from lorekeeper.prompt import Turn
from lorekeeper.text import shorten

if TYPE_CHECKING:
    from retrieval.embed import Embedder

SHOTS = 4  # rows that the base with examples is shown
SEARCHED = 2_000  # training rows that they are chosen from
SHOWN = 200  # characters of an input that are kept with its scores
ROOM = 4  # tokens beyond the longest label, so that a longer answer is seen to be one

Tell = Callable[[int, int, str], None]  # done, of, what


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """An adapter that was trained on one task alone."""

    folder: Path
    name: str = ""  # of an earlier run's; "" of this run's


def score(
    judged: Judged,
    tasks: Sequence[Ready],
    embedder: Embedder,
    *,
    most: int,
    longest: int,
    singles: Mapping[str, Single | str],
    tell: Tell = lambda done, of, what: None,
) -> tuple[TaskScore, ...]:
    """Answer at most `most` held-out rows of each task, of at most `longest` tokens.

    `singles` holds for each task the adapter to compare with, or why there is none.
    """
    made = []
    for number, one in enumerate(tasks):
        tell(number, len(tasks), f"asking the task {one.task.name}")
        made.append(_score(judged, one, embedder, most, longest, singles.get(one.task.name, "")))
    return tuple(made)


def _score(
    judged: Judged,
    one: Ready,
    embedder: Embedder,
    most: int,
    longest: int,
    single: Single | str,
) -> TaskScore:
    rows, note = _judging(judged, one, most, longest)
    alone = [messages(one.task, row.input) for row in rows]
    shown = _with_examples(judged, one, rows, embedder, longest)
    with judged.model.disable_adapter():
        arms = [
            _arm(judged, one.task, Asked.BASE, alone, rows),
            _arm(judged, one.task, Asked.PROMPTED, shown, rows),
        ]
    arms.append(_arm(judged, one.task, Asked.TUNED, alone, rows))
    if isinstance(single, Single):
        with wearing(judged, single.folder):
            arm = _arm(judged, one.task, Asked.SINGLE, alone, rows)
        arms.append(replace(arm, adapter=single.name))
    else:
        note = " ".join(filter(None, (note, single)))
    return TaskScore(
        task=one.task.name,
        metric=one.task.metric.value,
        higher_is_better=one.task.higher_is_better,
        version=one.version,
        inputs=tuple(shorten(row.input, SHOWN) for row in rows),
        references=tuple(row.output for row in rows),
        groups=tuple(row.group for row in rows),
        arms=tuple(arms),
        labels=one.task.labels,
        note=note,
    )


def losses(judged: Judged, task: Task, rows: Sequence[TaskRow]) -> list[float]:
    """Nats per token of each row's output, as the model is now."""
    prompts = [messages(task, row.input) for row in rows]
    return nats(judged, prompts, [row.output for row in rows])


def judging(
    rows: Sequence[TaskRow], task: Task, tokenizer: Any, *, most: int, longest: int
) -> list[TaskRow]:
    """At most `most` of the held-out rows that fit into `longest` tokens."""
    fit = [
        row
        for row in shuffled(rows)
        if len(encode.example(0, messages(task, row.input), row.output, tokenizer).input_ids)
        <= longest
    ]
    return fit[:most]


def _judging(judged: Judged, one: Ready, most: int, longest: int) -> tuple[list[TaskRow], str]:
    held = one.rows.heldout
    rows = judging(held, one.task, judged.tokenizer, most=most, longest=longest)
    if not rows:
        raise BadInput(
            f"None of the {len(held)} held-out rows of the task {one.task.name} fits into {longest} tokens.",
            fix="Raise the recipe's max_tokens.",
        )
    return rows, f"{len(rows)} of {len(held)} held-out rows." if len(rows) < len(held) else ""


def _arm(
    judged: Judged,
    task: Task,
    asked: Asked,
    prompts: Sequence[Sequence[Turn]],
    rows: Sequence[TaskRow],
) -> TaskArm:
    groups, references = [row.group for row in rows], [row.output for row in rows]
    if task.metric is Metric.LOSS:
        return metrics.score_losses(asked, nats(judged, prompts, references), groups)
    return metrics.score(task, asked, answers(judged, task, prompts), references, groups)


def answers(judged: Judged, task: Task, prompts: Sequence[Sequence[Turn]]) -> list[str]:
    """Greedy answers; of a label, no more tokens than it takes to see which one it is."""
    most = judged.max_tokens
    if task.is_labelled:
        longest = max(len(judged.tokenizer(label)["input_ids"]) for label in task.labels)
        most = min(most, longest + ROOM)
    return answer(judged, prompts, most=most)


def _with_examples(
    judged: Judged, one: Ready, rows: Sequence[TaskRow], embedder: Embedder, longest: int
) -> list[list[Turn]]:
    """Each input with the most alike training rows before it, as many as fit; the most alike last."""
    known = shuffled(one.rows.train)[:SEARCHED]
    vectors = embedder.passages([row.input for row in known])
    made = []
    for row in rows:
        nearest = (vectors @ embedder.question(row.input)).argsort()[::-1][:SHOTS]
        pairs = [(known[at].input, known[at].output) for at in reversed(nearest)]
        while pairs and len(_ids(judged, one.task, row, pairs)) > 2 * longest:
            pairs = pairs[1:]
        made.append(messages(one.task, row.input, examples=pairs))
    return made


def _ids(
    judged: Judged, task: Task, row: TaskRow, pairs: Sequence[tuple[str, str]]
) -> Sequence[int]:
    return encode.prompt_ids(messages(task, row.input, examples=pairs), judged.tokenizer)
