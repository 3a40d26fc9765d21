"""`lore index`: builds what is searched, shows its state, and measures it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.errors import BadInput, NotFound
from lorekeeper.settings import Settings, load
from lorekeeper.store import indexes, open_database, reading
from retrieval.evaluate_cli import evaluate_command

if TYPE_CHECKING:
    from retrieval.refresh import Refresher

index = typer.Typer(
    help="Build the index, show its state, or measure it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


index.command("evaluate")(evaluate_command)


@index.command()
def build() -> None:
    """Bring the index up to date with the database and the documents, once."""
    from retrieval.sources import left_out

    settings, engine = _open()
    refresher = _refresher(engine, settings)
    before = {passage.id for passage in refresher.index.passages}
    refresher.look()
    if refresher.status.error:
        raise BadInput(refresher.status.error, fix="What could be read is in the index.")
    new = sum(passage.id not in before for passage in refresher.index.passages)
    console = Console(highlight=False)
    console.print(f"{len(refresher.index)} passages, {new} of them new: {refresher.index.folder}")
    for file in left_out(settings.retrieval.documents):
        console.print(Text(f"Left out {file.name}: it {file.reason}.", style="yellow"))


@index.command()
def status() -> None:
    """Show which index is searched, what is in it, and whether it is whole."""
    settings, engine = _open()
    with reading(engine) as db:
        current = indexes.current(db)
    if current is None:
        raise NotFound("No index has been built yet.", fix="Build it with `lore index build`.")
    artifacts = ArtifactStore(settings.store.data)
    about, wrong = artifacts.manifest(current.folder), artifacts.verify(current.folder)
    table = Table(show_header=False, box=None)
    table.add_row("folder", Text(str(artifacts.root / current.folder)))
    table.add_row("built", datetime.fromtimestamp(current.built_at).isoformat(" ", "seconds"))
    table.add_row("passages", str(current.passages))
    table.add_row("embedder", Text(str(about["embedder"])))
    table.add_row("files", Text(f"damaged: {', '.join(wrong)}" if wrong else "whole"))
    Console(highlight=False).print(table)


def _open() -> tuple[Settings, Engine]:
    settings = load()
    return settings, open_database(settings.database_url)


def _refresher(engine: Engine, settings: Settings) -> Refresher:
    from retrieval.embed import load as load_embedder
    from retrieval.refresh import Refresher

    return Refresher(engine, settings, load_embedder(settings.models.embedder, settings.store.data))
