"""`lore serve`, `ask`, `promote` and `rollback`: typed words in, the serving part at work out."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from lorekeeper import settings, store, telemetry
from lorekeeper.settings import Settings
from lorekeeper.store import deployments


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
    why: Annotated[str, typer.Option(help="Recorded with the decision.")] = "by hand",
) -> None:
    """Serve an adapter from now on, whatever the gate said."""
    from serving import adapters

    engine = store.open_database(_loaded().database_url)
    with engine.begin() as db:
        made = adapters.promote(db, name, by=getpass.getuser(), why=why)
    typer.echo(f"{made.adapter} is current; `lore serve` loads it within a second.")


def rollback(
    why: Annotated[str, typer.Option(help="Recorded with the decision.")] = "by hand",
) -> None:
    """Serve again what was served before."""
    engine = store.open_database(_loaded().database_url)
    with engine.begin() as db:
        made = deployments.rollback(db, by=getpass.getuser(), why=why)
    typer.echo(f"{made.adapter} is current again.")


def _loaded() -> Settings:
    return settings.load()
