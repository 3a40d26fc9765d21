"""`lore tasks`: list the team's tasks, add one from a file, look at its rows, and have one done."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from builder.tasks import skilled, spec
from builder.tasks.draw import Team, draw, team
from builder.tasks.rows import TaskRows
from builder.tasks.spec import Metric, Source, Task
from lorekeeper import settings as config
from lorekeeper import store
from lorekeeper.domain import Adapter, Asked
from lorekeeper.errors import BadInput
from lorekeeper.settings import Settings
from lorekeeper.store import adapters, datasets, reading
from lorekeeper.text import shorten

PROBLEMS = 20  # shown of a file; --problems shows all
WIDE = 60  # characters of a label

tasks = typer.Typer(
    help="List the team's tasks, add one from a file, and have one done.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Name = Annotated[str, typer.Argument(help="The task, such as triage.")]


@tasks.command("list")
def list_tasks() -> None:
    """List every task with its rows, and the adapter that does it."""
    settings, engine = _open()
    table = Table("Task", "About", "Metric", "Train", "Held out", "Adapter", "Scores", box=None)
    for task in spec.every(settings.store.data):
        rows = _rows(engine, settings, task)
        sizes = (str(len(rows.train)), str(len(rows.heldout))) if rows is not None else ("–", "–")
        table.add_row(task.name, task.about, task.metric.value, *sizes, *_skill(engine, task.name))
    Console().print(table)


@tasks.command()
def add(
    name: Name,
    file: Annotated[
        Path,
        typer.Argument(help="JSON Lines or a table with input, output and, where known, group."),
    ],
    metric: Annotated[Metric, typer.Option(help="How answers are scored.")],
    about: Annotated[str, typer.Option(help="One line for people.")] = "",
    instruction: Annotated[str, typer.Option(help="What the model is told.")] = "",
    labels: Annotated[
        str, typer.Option(help="The labels, with commas between; none: those of the rows.")
    ] = "",
    format: Annotated[
        str, typer.Option(help="A regular expression that the whole answer must match.")
    ] = "",
    problems: Annotated[bool, typer.Option("--problems", help="Show every problem.")] = False,
) -> None:
    """Make a task of a file's rows, or give it these instead of those that it has."""
    from builder.tasks.add import add as add_task

    settings, _ = _open()
    made = add_task(
        settings,
        file,
        name=name,
        metric=metric.value,
        about=about,
        instruction=instruction,
        labels=tuple(filter(None, (label.strip() for label in labels.split(",")))),
        format=format,
    )
    console = Console(highlight=False)
    shown = made.problems if problems else made.problems[:PROBLEMS]
    for problem in shown:
        console.print(Text(f"line {problem.line}: {problem.reason}", style="yellow"))
    if len(made.problems) > len(shown):
        console.print(f"… and {len(made.problems) - len(shown)} more; --problems shows all.")
    _describe(console, made.task, made.rows)
    console.print(f"Train an adapter for it: lore train --recipe task task={name}")


@tasks.command()
def show(name: Name) -> None:
    """Show what a task asks, its rows and labels on either side, and what is left out."""
    settings, engine = _open()
    task = spec.load(name, settings.store.data)
    console = Console(highlight=False)
    for line in filter(None, (task.about, task.instruction)):
        console.print(Text(line))
    rows = _rows(engine, settings, task, documents=True)
    if rows is None:
        console.print("Its rows are drawn when a dataset version is frozen: lore dataset freeze")
    else:
        _describe(console, task, rows)


@tasks.command()
def run(
    name: Name,
    text: Annotated[str, typer.Argument(help="What to do it to; quote it.")],
    adapter: Annotated[str, typer.Option(help="Another adapter than the task's own.")] = "",
    base: Annotated[
        bool, typer.Option("--base", help="Ask the base model, for comparison.")
    ] = False,
) -> None:
    """Have a task done by its adapter: by the engine where it runs, else here."""
    from builder.tasks.asking import ask

    settings, engine = _open()
    task = spec.load(name, settings.store.data)
    with reading(engine) as db:
        chosen = adapters.by_name(db, adapter) if adapter else skilled.doing(db, name)
    if chosen is None and not base:
        raise BadInput(
            f"No adapter was found better than the base at {name} yet.",
            fix=f"Train one (`lore train --recipe task task={name}`), or ask with --base.",
        )
    if task.is_labelled and not task.labels:
        task = task.model_copy(update={"labels": _labels(engine, settings, task, chosen)})
    told = ask(settings, task, None if base else chosen, text)
    typer.echo(told.text)
    typer.echo(f"({told.by}) {told.note}".rstrip(), err=True)


def _rows(
    engine: Engine, settings: Settings, task: Task, *, documents: bool = False
) -> TaskRows | None:
    """The task's rows as the newest version has them; None where there is none, or where it takes long."""
    if task.source is Source.DOCUMENTS and not documents:
        return None
    with reading(engine) as db:
        version = datasets.latest(db)
    if version is not None:
        return draw(task, team(engine, settings, version))
    if task.source in {Source.FILE, Source.GENERAL, Source.DOCUMENTS}:
        return draw(task, Team(engine=engine, settings=settings, train=(), heldout=()))
    return None


def _labels(
    engine: Engine, settings: Settings, task: Task, adapter: Adapter | None
) -> tuple[str, ...]:
    """Those that the adapter was trained with, else those of the rows as they are now."""
    scores = adapter.evaluation.tasks if adapter is not None else ()
    of_task = [score.labels for score in scores if score.task == task.name]
    rows = None if of_task else _rows(engine, settings, task)
    return of_task[0] if of_task else rows.labels if rows is not None else ()


def _skill(engine: Engine, name: str) -> tuple[str, str]:
    """The task's adapter, and what it scored beside the base."""
    with reading(engine) as db:
        adapter = skilled.doing(db, name)
    if adapter is None:
        return "", ""
    score = next(one for one in adapter.evaluation.tasks if one.task == name)
    arms = (Asked.BASE, Asked.PROMPTED, Asked.TUNED)
    told = [f"{arm.asked.value} {arm.value:.3f}" for arm in map(score.arm, arms) if arm is not None]
    return adapter.name, ", ".join(told)


def _describe(console: Console, task: Task, rows: TaskRows) -> None:
    console.print(
        f"{task.name}: {len(rows.train)} rows to train on, {len(rows.heldout)} held out,"
        f" scored by {task.metric.value}"
    )
    for why in rows.left_out:
        console.print(Text(f"left out: {why}", style="yellow"))
    if task.is_labelled:
        train, held = (Counter(row.output for row in side) for side in (rows.train, rows.heldout))
        table = Table("Label", "Train", "Held out", box=None)
        for label in task.labels or rows.labels:
            table.add_row(shorten(label, WIDE), str(train[label]), str(held[label]))
        console.print(table)


def _open() -> tuple[Settings, Engine]:
    settings = config.load()
    return settings, store.open_database(settings.database_url)
