"""`lore index`: builds what is searched, shows its state, and measures it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.errors import BadInput, NotFound
from lorekeeper.settings import Settings, load
from lorekeeper.store import indexes, open_database, reading
from retrieval.evaluation.cli import evaluate_command

if TYPE_CHECKING:
    from retrieval.refresh import Refresher, Status

index = typer.Typer(
    help="Build the index, show its state, or measure it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


index.command("evaluate")(evaluate_command)


@index.command()
def build() -> None:
    """Bring the index up to date with the database and the documents, once. Ctrl-C keeps what is done."""
    from retrieval.documents.web import fetch_due
    from retrieval.sources import left_out

    settings, engine = _open()
    fetch_due(settings)
    console = Console(highlight=False)
    with Progress(*_COLUMNS, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("Embedding", total=None)

        def told(status: Status) -> None:
            progress.update(bar, completed=status.embedded, total=status.to_embed or None)

        refresher = _refresher(engine, settings, told, alone=True)
        before = refresher.index
        refresher.look()
        refresher.tidy()
    if refresher.status.error:
        raise BadInput(refresher.status.error, fix="What could be read is in the index.")
    new = sum(not before.holds(passage.id) for passage in refresher.index.shown())
    console.print(f"{len(refresher.index)} passages, {new} of them new: {refresher.index.folder}")
    with reading(engine) as db:
        not_read = left_out(db, settings)
    for file in not_read:
        console.print(Text(f"Left out {file.name}: it {file.reason}.", style="yellow"))


@index.command()
def status() -> None:
    """Show which index is searched, what is in it, and whether it is whole."""
    from retrieval.index import listed

    settings, engine = _open()
    current = _current(engine)
    artifacts = ArtifactStore(settings.store.data)
    about, wrong = artifacts.manifest(current.folder), artifacts.verify(current.folder)
    segments = listed(artifacts.root / current.folder) if not wrong else []
    table = Table(show_header=False, box=None)
    table.add_row("folder", Text(str(artifacts.root / current.folder)))
    table.add_row("built", datetime.fromtimestamp(current.built_at).isoformat(" ", "seconds"))
    table.add_row("passages", f"{current.passages} in {len(segments)} segments")
    table.add_row("embedder", Text(str(about["embedder"])))
    wrong += [f"{each}/{name}" for each in segments for name in _wrong(artifacts, each)]
    table.add_row("files", Text(f"damaged: {', '.join(wrong)}" if wrong else "whole"))
    Console(highlight=False).print(table)


@index.command()
def explain(
    questions: Annotated[
        int, typer.Option(min=1, help="How many questions are made from its vectors.")
    ] = 200,
) -> None:
    """Show how each segment holds its vectors and why, with the recall and the memory that are measured."""
    from retrieval.explain import explained

    settings, engine = _open()
    current = _current(engine)
    table = Table("segment", "passages", "vectors", "memory", "recall@10", "why")
    for each in explained(ArtifactStore(settings.store.data), current.folder, questions):
        table.add_row(
            Text(each.folder),
            f"{each.passages:,}",
            each.kind,
            f"{each.mebibytes:,.1f} MiB",
            " ".join(f"{recall:.3f} ({share:.0%})" for share, recall in each.recall.items()),
            Text(each.why),
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(
        "recall@10: share of the ten nearest vectors by exact search that are found, where a filter "
        "lets the percentage in brackets pass. memory: what searches touch again and again."
    )


_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeRemainingColumn(),
)


def _current(engine: Engine) -> indexes.BuiltIndex:
    with reading(engine) as db:
        current = indexes.current(db)
    if current is None:
        raise NotFound("No index has been built yet.", fix="Build it with `lore index build`.")
    return current


def _wrong(artifacts: ArtifactStore, folder: str) -> list[str]:
    try:
        return artifacts.verify(folder)
    except (NotFound, ValueError, KeyError) as error:
        return [str(error)]


def _open() -> tuple[Settings, Engine]:
    settings = load()
    return settings, open_database(settings.database_url)


def _refresher(
    engine: Engine,
    settings: Settings,
    told: Callable[[Status], None] = lambda status: None,
    *,
    alone: bool = False,
) -> Refresher:
    from retrieval.embed import load as load_embedder
    from retrieval.refresh import Refresher

    embedder = load_embedder(settings.models.embedder_name, settings.store.data, alone=alone)
    return Refresher(engine, settings, embedder, told=told)
