"""`lore serve`, `ask`, `promote`, `rollback`, `keys` and `mcp`: typed words in, the serving part at work out."""

from __future__ import annotations

import getpass
from datetime import datetime
from typing import Annotated

import typer

from lorekeeper import settings, store, telemetry
from lorekeeper.domain import KeyScope
from lorekeeper.settings import Settings
from lorekeeper.store import keys as stored_keys

RATE = 60  # requests a minute of a key for which nobody chose


def serve(
    model: Annotated[
        str | None,
        typer.Option(help="A folder, such as one that `lore adapters merge` wrote, as the base."),
    ] = None,
) -> None:
    """Run the engine, the index and the gateway until the process is ended."""
    from serving.serve import run

    telemetry.configure()
    chosen = _loaded()
    if model is not None:
        base = chosen.models.model_copy(update={"base": model})
        chosen = chosen.model_copy(update={"models": base})
    run(chosen)


def ask(
    question: Annotated[str, typer.Argument(help="The question; quote it.")],
    base: Annotated[
        bool, typer.Option("--base", help="Ask the base model, for comparison.")
    ] = False,
) -> None:
    """Ask the assistant; public sources only."""
    from serving.terminal import ask as ask_in_terminal

    ask_in_terminal(settings.load(), question, base=base)


def promote(
    name: Annotated[str, typer.Argument(help="The adapter, such as v3, or base.")],
    why: Annotated[
        str, typer.Option(help="Recorded with the decision; needed where the gate said otherwise.")
    ] = "",
) -> None:
    """Serve an adapter from now on, whatever the gate said."""
    from lorekeeper import promotion

    engine = store.open_database(_loaded().database_url)
    with engine.begin() as db:
        made = promotion.promote(db, name, by=getpass.getuser(), why=why)
    typer.echo(
        f"{made.adapter} is current; `lore serve` loads it within seconds, a whole model within minutes."
    )
    typer.echo(f"Recorded: {made.by}, {made.why}")


def rollback(
    why: Annotated[str, typer.Option(help="Recorded with the decision.")] = "",
) -> None:
    """Serve again what was served before."""
    from lorekeeper import promotion

    engine = store.open_database(_loaded().database_url)
    with engine.begin() as db:
        made = promotion.roll_back(db, by=getpass.getuser(), why=why)
    typer.echo(f"{made.adapter} is current again.")
    typer.echo(f"Recorded: {made.by}, {made.why}")


def mcp() -> None:
    """Serve the tools of the gateway that runs to another assistant, over standard input and output."""
    from serving.mcp_stdio import run

    run(settings.load().serving)


keys = typer.Typer(
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="Make, list and revoke keys of the gateway.",
)


@keys.command()
def add(
    name: Annotated[str, typer.Argument(help="Who or what uses the key.")],
    scopes: Annotated[
        list[str],
        typer.Option(
            help=f"What it may do, with commas: {', '.join(scope.value for scope in KeyScope)}."
        ),
    ],
    rate: Annotated[int, typer.Option(min=0, help="Requests a minute; 0: any number.")] = RATE,
) -> None:
    """Make a key, and show it once; only its hash is stored."""
    from serving.keys import issue

    engine = store.open_database(_loaded().database_url)
    with engine.begin() as db:
        key = issue(db, name, scopes=scopes, per_minute=rate, by=getpass.getuser())
    typer.echo(key)
    typer.echo("Keep it now: it cannot be shown again.", err=True)


@keys.command("list")
def list_() -> None:
    """Show the keys that are in use."""
    from rich.console import Console
    from rich.table import Table

    engine = store.open_database(_loaded().database_url)
    with store.reading(engine) as db:
        live = stored_keys.live(db)
    table = Table("name", "may", "a minute", "made by", "since", title="Keys of the gateway")
    for key in live:
        since = f"{datetime.fromtimestamp(key.created_at):%Y-%m-%d %H:%M}"
        rate = str(key.per_minute or "any number")
        table.add_row(key.name, ", ".join(key.scopes), rate, key.created_by, since)
    Console().print(table)


@keys.command()
def revoke(name: Annotated[str, typer.Argument(help="As it was made.")]) -> None:
    """End a key. A gateway that runs refuses it within a second."""
    engine = store.open_database(_loaded().database_url)
    with engine.begin() as db:
        stored_keys.revoke(db, name)
    typer.echo(f"The key {name} opens nothing any more.")


def _loaded() -> Settings:
    return settings.load()
