"""Names of tasks in; each with its rows, checked and kept apart, or a refusal before anything is trained, out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builder.recipes import Recipe
from builder.tasks import spec
from builder.tasks.draw import LEAST, Team, draw
from builder.tasks.rows import TaskRow, TaskRows, apart
from builder.tasks.spec import Source, Task
from lorekeeper.artifacts import write_whole
from lorekeeper.errors import BadInput
from lorekeeper.store.rows import plain, revive

MOST_LABELS = 100  # all of them stand in the prompt


WAYS = frozenset({"task", "multitask", "sequential"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A task that can be trained: its labels are known, and its rows are apart from all that judges."""

    task: Task
    rows: TaskRows
    version: str  # of all its rows, those that were left out to keep tasks apart among them


def names(recipe: Recipe) -> tuple[str, ...]:
    """The tasks that the recipe learns, in its order; none of a recipe of another way.

    Raises:
        BadInput: too few or the same twice; or something else than an adapter is to be trained.
    """
    if recipe.way not in WAYS:
        return ()
    field, least = {"task": ("task", 1), "multitask": ("tasks", 2), "sequential": ("stages", 2)}[
        recipe.way
    ]
    given = getattr(recipe, field)
    found = tuple(filter(None, (given,) if isinstance(given, str) else given))
    if len(found) < least or len(set(found)) < len(found):
        raise BadInput(
            f"The way {recipe.way} learns {'one task' if least == 1 else 'two or more different tasks'}; {field} names {', '.join(found) or 'none'}.",
            fix=f"Set {field}, for example {field}={_EXAMPLES[field]}. `lore tasks list` shows them.",
        )
    if recipe.merged:
        raise BadInput(
            f"The way {recipe.way} trains an adapter, and a merged model was asked for.",
            fix="Leave `merged` out.",
        )
    return found


_EXAMPLES = {"task": "triage", "tasks": "answer,triage", "stages": "general,answer"}


def refuse_untrainable(recipe: Recipe, team: Team) -> None:
    """Refuse before a run is queued what can be seen to be too little to learn from.

    Documents are read only when the run begins: that takes the embedder.

    Raises:
        NotFound, BadInput: as `ready`.
    """
    found = [spec.load(name, team.settings.store.data) for name in names(recipe)]
    light = [task.name for task in found if task.source is not Source.DOCUMENTS]
    ready(light, team, recipe.versions)


def ready(names: Sequence[str], team: Team, versions: Mapping[str, str]) -> list[Ready]:
    """The tasks in their order. `versions` says which rows of a file a run was queued with.

    Raises:
        NotFound: a task, or its rows, are not there.
        BadInput: a task has no rows on a side, or but one label; says which, and what to do.
    """
    found = [_drawn(name, team, versions) for name in names]
    judging = [
        TaskRow(input=row.question, output=row.answer, group=row.conversation)
        for row in team.heldout
    ]
    judging += [row for one in found for row in one.rows.heldout]
    return [_checked(replace(one, rows=apart(one.rows, judging))) for one in found]


def kept(path: Path, names: Sequence[str], team: Team, versions: Mapping[str, str]) -> list[Ready]:
    """As `ready`, and the same again when a run goes on: what was drawn first is written to `path`."""
    if path.is_file():
        return [
            Ready(
                task=spec.checked(**one["task"]),
                rows=revive(TaskRows, one["rows"]),
                version=one["version"],
            )
            for one in json.loads(path.read_text(encoding="utf-8"))
        ]
    made = ready(names, team, versions)
    told = [
        {"task": one.task.model_dump(mode="json"), "rows": plain(one.rows), "version": one.version}
        for one in made
    ]
    write_whole(path, json.dumps(told, ensure_ascii=False))
    return made


def versions(names: Sequence[str], data: Path) -> dict[str, str]:
    """Where the rows of those tasks are that come from files, now. Raises NotFound, BadInput."""
    found = [spec.load(name, data) for name in names]
    return {task.name: task.rows for task in found if task.source is Source.FILE}


def _drawn(name: str, team: Team, versions: Mapping[str, str]) -> Ready:
    task = spec.load(name, team.settings.store.data)
    if task.source is Source.FILE:
        task = task.model_copy(update={"rows": versions.get(name, task.rows)})
    rows = draw(task, team)
    if task.is_labelled and not task.labels:
        task = task.model_copy(update={"labels": rows.labels})
    return Ready(task=task, rows=rows, version=rows.version)


def _checked(one: Ready) -> Ready:
    task, rows = one.task, one.rows
    why = f" ({'; '.join(rows.left_out)})" if rows.left_out else ""
    if not rows.train or not rows.heldout:
        raise BadInput(
            f"The task {task.name} has {len(rows.train)} rows to train on and {len(rows.heldout)} held out{why}.",
            fix=_where_from(task),
        )
    if task.is_labelled and len(rows.labels) < 2:
        raise BadInput(
            f"The task {task.name} has one label, {rows.labels[0]!r}, so there is nothing to tell apart{why}.",
            fix=_where_from(task),
        )
    if len(task.labels) > MOST_LABELS:
        raise BadInput(
            f"The task {task.name} has {len(task.labels)} labels; all of them stand in the prompt, so {MOST_LABELS} is the most.",
            fix="Join labels that are rare, or use the metric exact or rouge_l.",
        )
    return one


def _where_from(task: Task) -> str:
    return {
        Source.FILE: f"Give other rows: `lore tasks add {task.name} FILE`.",
        Source.PAIRS: "Approve more answers.",
        Source.TAGS: f"Tag approved pairs: a label counts from {LEAST} pairs on.",
        Source.CHANNELS: f"Approve answers from several channels: one counts from {LEAST} pairs on.",
        Source.SUMMARIES: "Approve answers that sum a thread up: they begin with “TL;DR” or “Summary”, or are tagged `summary`.",
        Source.DOCUMENTS: "Name documents in LORE_RETRIEVAL__DOCUMENTS, or use another task.",
        Source.GENERAL: "Reinstall Lorekeeper: its general questions are missing.",
    }[task.source]
