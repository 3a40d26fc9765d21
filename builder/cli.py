"""`lore worker`, `train`, `runs`, `cancel` and `adapters`: typed words in, tables out."""

from __future__ import annotations

import getpass
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from sqlalchemy import Engine

from lorekeeper import settings as config
from lorekeeper import store
from lorekeeper.domain import Adapter, AdapterKind, Arm, Goal, Run, RunState
from lorekeeper.errors import BadInput
from lorekeeper.settings import Settings
from lorekeeper.store import adapters as adapter_store
from lorekeeper.store import deployments, reading
from lorekeeper.store import runs as run_store


def worker() -> None:
    """Run the queue's worker until the process is ended."""
    from builder.worker import serve
    from lorekeeper import telemetry

    telemetry.configure()
    settings, engine = _open()
    serve(engine, settings)


def train(
    options: Annotated[
        list[str] | None,
        typer.Argument(help="Fields of the recipe, such as epochs=3 or effort=high."),
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe's name.")] = None,
    again: Annotated[
        int | None, typer.Option(help="Repeat this run: its pairs, recipe, options and base.")
    ] = None,
    list_recipes: Annotated[
        bool, typer.Option("--recipes", help="List the recipes instead, and the options.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Say what it would take; no more.")] = False,
    curve: Annotated[
        bool, typer.Option("--curve", help="Train on growing shares: would more data help?")
    ] = False,
    search: Annotated[
        bool, typer.Option("--search", help="Look for better settings than the dial's.")
    ] = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="Leave the run to a worker, and come back at once.")
    ] = False,
) -> None:
    """Freeze the approved pairs, and see a run on them through: plan, training, verdict."""
    from builder import retrain

    settings, engine = _open()
    if list_recipes:
        _show_recipes(settings)
        return
    by = getpass.getuser()
    if again is not None:
        run = retrain.again(engine, settings, again, by=by)
    else:
        run = retrain.request(
            engine, settings, by=by, recipe=recipe, options=parse(options or []),
            goal=_goal(plan=plan, curve=curve, search=search),
        )  # fmt: skip
    if queue:
        typer.echo(f"Run {run.id} is queued. Follow it: lore runs --follow {run.id}")
        return
    _see_through(engine, settings, run, by)


def _goal(**wanted: bool) -> Goal:
    """Raises BadInput for more than one."""
    named = [name for name, is_wanted in wanted.items() if is_wanted]
    if len(named) > 1:
        raise BadInput(
            f"--{' and --'.join(named)} are two different runs.", fix="Ask for one of them."
        )
    return Goal(named[0]) if named else Goal.ADAPTER


def _see_through(engine: Engine, settings: Settings, run: Run, by: str) -> None:
    """Exits with 130 for a cancelled run and with 1 for a failed one."""
    from builder import live

    console = Console(highlight=False)
    with live.View(Console(stderr=True)) as view:
        over = live.see_through(engine, settings, run.id, show=view.show, by=by)
    if over.plan is not None:
        console.print(live.plan_table(over.plan))
    console.print(live.ended(over), markup=False)
    if over.adapter_id is not None:
        with reading(engine) as db:
            adapter = adapter_store.get(db, over.adapter_id)
        console.print(f"{adapter.name}: {adapter.verdict.outcome}", style="bold")
        for reason in adapter.verdict.reasons:
            console.print(f"  {reason}", markup=False)
    if over.state is not RunState.DONE:
        raise typer.Exit(130 if over.state is RunState.CANCELLED else 1)


def _show_recipes(settings: Settings) -> None:
    from builder import recipes

    table = Table("Recipe", "What it is for", box=None)
    for name, one in recipes.names(settings.store.data).items():
        table.add_row(name, one.about)
    fields = Table("Option", "Default", "What it is", box=None)
    for name, field in recipes.Recipe.model_fields.items():
        if name != "about":
            fields.add_row(name, str(field.default), field.description or "")
    Console().print(table, fields)


def parse(options: list[str]) -> dict[str, object]:
    """`name=value` words as a mapping; values as TOML has them, or as text.

    Raises:
        BadInput: a word has no `=`.
    """
    import tomllib

    parsed: dict[str, object] = {}
    for word in options:
        name, equals, value = word.partition("=")
        if not equals:
            raise BadInput(f"{word!r} is no option.", fix="Write name=value, such as epochs=3.")
        try:
            parsed[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            parsed[name] = value
    return parsed


def runs(
    follow: Annotated[int | None, typer.Option(help="Follow this run until it is over.")] = None,
) -> None:
    """List the latest runs, or follow one."""
    _, engine = _open()
    if follow is None:
        with reading(engine) as db:
            Console().print(_runs_table(run_store.latest(db, 20)))
        return
    with Live(console=Console(), refresh_per_second=4) as live:
        while True:
            with reading(engine) as db:
                run = run_store.get(db, follow)
            live.update(_runs_table([run]))
            if run.is_over:
                return
            time.sleep(0.5)


def cancel(run: Annotated[int, typer.Argument(help="The run's number.")]) -> None:
    """Stop a run; what it had trained is kept in its checkpoints."""
    _, engine = _open()
    with engine.begin() as db:
        now = run_store.request_cancel(db, run, getpass.getuser())
    typer.echo(f"Run {run} is {now.state}." if now.is_over else f"Run {run} is asked to stop.")


adapters = typer.Typer(invoke_without_command=True, help="List adapters, or hand one on.")


@adapters.callback()
def list_adapters(context: typer.Context) -> None:
    """List adapters with their scores and verdicts."""
    if context.invoked_subcommand is not None:
        return
    _, engine = _open()
    with reading(engine) as db:
        found, current = adapter_store.all(db), deployments.current(db)
    table = Table("", "Adapter", "Run", "Base", *[arm.value for arm in Arm], "Verdict", box=None)
    for adapter in reversed(found):
        is_current = current is not None and current.adapter_id == adapter.id
        table.add_row("●" if is_current else "", *_cells(adapter))
    Console().print(table)
    if current is not None and current.error:
        Console().print(f"{current.adapter} is not served: {current.error}", style="red")


@adapters.command("merge")
def merge_(
    name: Annotated[str, typer.Argument(help="The adapter, such as v3.")],
    folder: Annotated[Path, typer.Argument(help="Where the model goes; not there yet.")],
    gguf: Annotated[
        bool, typer.Option("--gguf", help="Write model.gguf, too (Llama, Qwen2, Qwen3).")
    ] = False,
) -> None:
    """Add an adapter to its base model, and save the sum as a model of its own."""
    from builder.merge import merge

    settings, engine = _open()
    with reading(engine) as db:
        adapter = adapter_store.by_name(db, name)
    with Console(stderr=True).status(f"Merging {name} into {adapter.base_model} …"):
        made = merge(adapter, settings.store.data, folder, gguf=gguf)
    typer.echo(f"{made} holds the model. Serve it with: lore serve --model {made}")


def _open() -> tuple[Settings, Engine]:
    settings = config.load()
    return settings, store.open_database(settings.database_url)


def _runs_table(found: list[Run]) -> Table:
    table = Table("Run", "State", "Stage", "Step", "Loss", "Left", "Asked by", "When", box=None)
    for run in found:
        progress = run.progress
        table.add_row(
            str(run.id),
            run.error or run.state.value,
            progress.note or progress.stage.value,
            f"{progress.step}/{progress.steps}" if progress.steps else "",
            f"{progress.loss:.3f}" if progress.loss is not None else "",
            f"{progress.seconds_left:.0f} s" if progress.seconds_left is not None else "",
            run.requested_by,
            _when(run.requested_at),
        )
    return table


def _cells(adapter: Adapter) -> list[str]:
    scores = [f"{adapter.evaluation.arm(arm).mean_nll:.3f}" for arm in Arm]
    is_whole = adapter.kind is AdapterKind.MODEL
    return [
        f"{adapter.name} (whole model)" if is_whole else adapter.name, str(adapter.run_id), adapter.base_model, *scores, adapter.verdict.outcome.value,
    ]  # fmt: skip


def _when(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
