"""A file of inputs with outputs in; a task that can be trained, or why not, line by line, out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.imports.files import Entry, Problem, read
from builder.tasks import rows as task_rows
from builder.tasks import spec
from builder.tasks.ready import MOST_LABELS
from builder.tasks.rows import TaskRow, TaskRows
from builder.tasks.spec import Task
from lorekeeper.artifacts import ArtifactStore, write_whole
from lorekeeper.errors import BadInput
from lorekeeper.redact import Placeholders, redact
from lorekeeper.settings import Settings
from lorekeeper.text import normalise

FEWEST = 10  # rows; fewer are neither learned from nor judged by
_SLACK = re.compile(r"[CDG][A-Z0-9]+/\d+\.\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A task as it is now, and what of the file is not in it."""

    task: Task
    rows: TaskRows
    problems: tuple[Problem, ...]


def add(
    settings: Settings,
    path: Path,
    *,
    name: str,
    metric: str,
    about: str = "",
    instruction: str = "",
    labels: Sequence[str] = (),
    format: str = "",
) -> Added:
    """Make a task of a file, or give it these rows instead of those that it has.

    Each line has an input and an output, and may name its group. What is personal or secret is
    replaced before it is stored.

    Raises:
        BadInput: the file or a field of the task cannot be used, too few rows are left, or they have
            one label. Nothing was changed then.
    """
    rows_to_come = "task-rows"
    wanted = spec.checked(
        name=name, about=about, instruction=instruction, metric=metric,
        labels=tuple(labels), format=format, rows=rows_to_come,
    )  # fmt: skip
    problems: list[Problem] = []
    found = list(_usable(path, wanted, problems))
    if len(found) < FEWEST:
        first = (
            f" The first problem: line {problems[0].line}, {problems[0].reason}."
            if problems
            else ""
        )
        raise BadInput(
            f"{path.name} has {len(found)} rows that can be used; a task needs at least {FEWEST}.{first}",
            fix="Each line needs an `input` and an `output`, and may have a `group`.",
        )
    if wanted.is_labelled and not wanted.labels:
        wanted = wanted.model_copy(update={"labels": _labels(found, wanted)})
    made = task_rows.split(found, share=settings.train.heldout)
    store = ArtifactStore(settings.store.data)
    with store.write(rows_to_come, {"task": name, "file": path.name}) as draft:
        task_rows.write(draft.path, made)
    task = wanted.model_copy(update={"rows": draft.folder})
    spec.folder(settings.store.data).mkdir(parents=True, exist_ok=True)
    write_whole(spec.folder(settings.store.data) / f"{name}.toml", _toml(task))
    return Added(task=task, rows=made, problems=tuple(problems))


def _usable(path: Path, task: Task, problems: list[Problem]) -> Iterator[TaskRow]:
    seen: dict[tuple[str, str], int] = {}
    for one in read(path):
        made = one if isinstance(one, Problem) else _row(one, task)
        if isinstance(made, TaskRow):
            words = normalise(made.input), normalise(made.output)
            first = seen.setdefault(words, one.line)
            if first == one.line:
                yield made
                continue
            made = Problem(line=one.line, reason=f"it says the same as line {first}")
        problems.append(made)


def _row(one: Entry, task: Task) -> TaskRow | Problem:
    known = Placeholders()
    asked, told = redact(one.row.question, known).text, redact(one.row.answer, known).text
    if task.is_labelled:
        if told != one.row.answer:
            return Problem(line=one.line, reason="its label holds personal data or a secret")
        label = {spec.plain(label): label for label in task.labels}.get(spec.plain(told), "")
        if task.labels and not label:
            return Problem(line=one.line, reason=f"{told[:40]!r} is none of the labels")
        told = label or told
    elif task.format and not re.fullmatch(task.format, told):
        return Problem(line=one.line, reason=f"{told[:40]!r} is not in the format {task.format}")
    return TaskRow(input=asked, output=told, group=_group(one, asked, task))


def _group(one: Entry, asked: str, task: Task) -> str:
    """A conversation of Slack's by its own name; another group by the task's and its own; else the input."""
    given = one.row.conversation
    if _SLACK.fullmatch(given):
        return given
    return f"{task.name}:{given or normalise(asked)}"


def _labels(found: Sequence[TaskRow], task: Task) -> tuple[str, ...]:
    """Raises BadInput for one label, for more than a prompt can hold, and for two that differ by marks."""
    made = tuple(sorted({row.output for row in found}))
    if len(made) < 2:
        raise BadInput(
            f"Every row has the label {made[0]!r}, so there is nothing to tell apart.",
            fix="Give rows with other labels, too.",
        )
    if len(made) > MOST_LABELS:
        raise BadInput(
            f"The rows have {len(made)} different labels; {MOST_LABELS} is the most.",
            fix="Use the metric exact, token_f1 or rouge_l, or join labels that are rare.",
        )
    return spec.checked(**task.model_dump() | {"labels": made}).labels


def _toml(task: Task) -> str:
    """JSON's texts and lists of texts are TOML's, too."""
    values = task.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
    return "".join(lines)
