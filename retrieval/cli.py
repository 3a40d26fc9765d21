"""`lore search` and `lore index`: what a question finds and why, and the state of what is searched."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Hit
from lorekeeper.errors import BadInput, NotFound
from lorekeeper.settings import Settings, load
from lorekeeper.store import indexes, open_database, reading
from retrieval.evaluate_cli import evaluate_command

if TYPE_CHECKING:
    from retrieval.refresh import Refresher

index = typer.Typer(
    help="Build the index, or show its state.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def search(
    question: Annotated[str, typer.Argument(help="What to search for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="Also search this channel id's private passages. Can be repeated."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many passages.")] = 5,
    explain: Annotated[bool, typer.Option(help="Show how each ranking placed it.")] = False,
) -> None:
    """Show what a question finds, and why. Public passages only, unless --scope names a channel."""
    settings, engine = _open()
    hits = _refresher(engine, settings).search(
        question, scopes=frozenset({PUBLIC, *(scope or ())}), k=count
    )
    console = Console(highlight=False)
    if not hits:
        console.print("Nothing was found. `lore index status` says what is searched.")
        return
    console.print(_table(hits, explain, settings.retrieval.min_evidence))


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


def _table(hits: list[Hit], explain: bool, least: float) -> Table:
    table = Table(show_lines=True)
    for name in ("", "passage", "source", *(_EXPLAINED if explain else ())):
        table.add_column(name, overflow="fold")
    for number, hit in enumerate(hits, 1):
        passage = hit.passage
        shown = Text(passage.title, style="bold") + Text(f"\n{passage.text[:300]}", style="")
        source = Text(f"{passage.kind}, {passage.scope}\n{passage.url}")
        table.add_row(str(number), shown, source, *(_explained(hit, least) if explain else ()))
    return table


_EXPLAINED = ("score", "similarity", "coverage", "by meaning", "by words")


def _explained(hit: Hit, least: float) -> tuple[str, ...]:
    weak = " (not evidence enough)" if hit.evidence < least else ""
    return (
        f"{hit.score:.3f}",
        f"{hit.similarity:.3f}",
        f"{hit.coverage:.3f}{weak}",
        str(hit.dense_rank or "–"),
        str(hit.lexical_rank or "–"),
    )
