"""`lore search`: what a question finds for whom, how each stage placed it, and what was left out and why."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from lorekeeper import settings as config
from lorekeeper.domain import PUBLIC, Hit, PassageKind
from lorekeeper.doors import scopes_seen_by
from lorekeeper.errors import BadInput
from lorekeeper.settings import Settings
from lorekeeper.store import open_database, reading

if TYPE_CHECKING:
    from retrieval.reasons import Asked, LeftOut

SHOWN = 300  # characters of a passage


def search(
    question: Annotated[str, typer.Argument(help="What to search for.")],
    as_user: Annotated[
        str | None, typer.Option("--as", help="As this Slack user (U…) in a direct message.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="Also search this channel id's private passages. Can be repeated."),
    ] = None,
    kind: Annotated[
        list[PassageKind] | None, typer.Option(help="Only passages of this kind. Can be repeated.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Not this conversation (CHANNEL/TS). Can be repeated.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many passages.")] = 5,
    explain: Annotated[
        bool, typer.Option(help="Show every stage, and what was left out and why.")
    ] = False,
) -> None:
    """Show what a question finds, and why. Public passages only, unless --as or --scope says who asks."""
    if as_user and scope:
        raise BadInput("--as and --scope were given together.", fix="Give one of them.")
    settings = config.load()
    engine = open_database(settings.database_url)
    scopes = (
        scopes_seen_by(as_user, settings, engine)
        if as_user
        else frozenset({PUBLIC, *(scope or ())})
    )
    from retrieval.index import EVERY_KIND
    from retrieval.reasons import Asked

    asked = Asked(
        question=question,
        scopes=scopes,
        k=count,
        exclude=frozenset(exclude or ()),
        kinds=frozenset(kind or EVERY_KIND),
    )
    _show(asked, settings, engine, explained=explain)


def _show(asked: Asked, settings: Settings, engine: Engine, *, explained: bool) -> None:
    from retrieval import embed, rerank
    from retrieval.reasons import explain
    from retrieval.recorded import withdrawn
    from retrieval.refresh import Refresher

    embedder = embed.load(settings.models.embedder_name, settings.store.data)
    index = Refresher(engine, settings, embedder).index
    with reading(engine) as db:
        told = explain(index, asked, withdrawn=partial(withdrawn, db), reranker=rerank.of(settings))
    console = Console(highlight=False)
    if told.found:
        console.print(_found(told.found, explained, settings.retrieval.min_evidence))
    else:
        console.print("Nothing was found. `lore index status` says what is searched.")
    if explained and told.left_out:
        console.print(_left_out(told.left_out))


def _found(hits: list[Hit], explained: bool, least: float) -> Table:
    table = Table(show_lines=True)
    for name in ("", "passage", "source", *(_EXPLAINED if explained else ())):
        table.add_column(name, overflow="fold")
    for number, hit in enumerate(hits, 1):
        passage = hit.passage
        shown = Text(passage.title, style="bold") + Text(f"\n{passage.text[:SHOWN]}", style="")
        source = Text(f"{passage.kind}, {passage.scope}\n{passage.url}")
        stages = _stages(hit, hits, least) if explained else ()
        table.add_row(str(number), shown, source, *stages)
    return table


_EXPLAINED = ("by meaning", "by words", "fused", "read again", "evidence")


def _stages(hit: Hit, hits: list[Hit], least: float) -> tuple[str, ...]:
    from retrieval.reasons import weakness

    weak = weakness(hit, hits, least)
    return (
        f"{_place(hit.dense_rank)}\ncosine {hit.similarity:.3f}",
        f"{_place(hit.lexical_rank)}\nBM25 {hit.words:.2f}\ncovers {hit.coverage:.2f}",
        f"{hit.score:.3f}\nstanding {hit.standing:+.3f}",
        "–" if hit.reranked is None else f"{hit.reranked:.3f}",
        f"{hit.evidence:.2f}" + (f"\n{weak}" if weak else ""),
    )


def _left_out(left_out: list[LeftOut]) -> Table:
    table = Table(title="Left out, though near: place among all passages")
    for name in ("", "passage", "source", "fused", "why"):
        table.add_column(name, overflow="fold")
    for one in left_out:
        passage = one.hit.passage
        source = Text(f"{passage.kind}, {passage.scope}\n{passage.url}")
        table.add_row(
            str(one.place), Text(passage.title), source, f"{one.hit.score:.3f}", Text(one.reason)
        )
    return table


def _place(rank: int | None) -> str:
    return f"number {rank}" if rank else "not among them"
