"""`lore worker`, `retrain`, `runs`, `cancel` and `adapters`: typed words in, tables out."""

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
from lorekeeper.domain import Adapter, Arm, Run
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


def retrain(
    options: Annotated[
        list[str] | None, typer.Argument(help="Fields of the recipe, such as epochs=3.")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe's name.")] = None,
    again: Annotated[
        int | None, typer.Option(help="Repeat this run: its pairs, recipe, options and base.")
    ] = None,
    list_recipes: Annotated[
        bool, typer.Option("--recipes", help="List the recipes instead, and the options.")
    ] = False,
) -> None:
    """Freeze the approved pairs and queue a run on them."""
    from builder import retrain as training

    settings, engine = _open()
    if list_recipes:
        _show_recipes(settings)
        return
    by = getpass.getuser()
    if again is not None:
        run = training.again(engine, settings, again, by=by)
    else:
        run = training.request(engine, settings, by=by, recipe=recipe, options=parse(options or []))
    typer.echo(f"Run {run.id} is queued. Follow it: lore runs --follow {run.id}")


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
        bool, typer.Option("--gguf", help="Write model.gguf, too (Llama models).")
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
    return [
        adapter.name, str(adapter.run_id), adapter.base_model, *scores, adapter.verdict.outcome.value,
    ]  # fmt: skip


def _when(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
