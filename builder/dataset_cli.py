"""`lore dataset`: freeze, list, compare, describe, measure and export dataset versions."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from builder import exports, judged
from builder import freeze as freezing
from builder.dataset import FILES, Row, read
from lorekeeper import settings as config
from lorekeeper import store
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import DatasetVersion
from lorekeeper.errors import NotFound
from lorekeeper.settings import Settings
from lorekeeper.store import adapters, datasets, feedback, reading
from lorekeeper.text import shorten

dataset = typer.Typer(
    help="Freeze, compare, describe and export dataset versions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Version = Annotated[str, typer.Argument(help="A version, such as d3; none: the newest.")]
WIDE = 100  # characters of a question in a list


@dataset.command()
def freeze() -> None:
    """Freeze what may be trained on; nothing changes where nothing is new."""
    settings, engine = _open()
    made = freezing.freeze(engine, settings, by=getpass.getuser())
    typer.echo(f"{made.name} ({made.hash[:12]}): {made.train} to train on, {made.heldout} held out")


@dataset.command("list")
def list_versions() -> None:
    """List every version, newest first."""
    _, engine = _open()
    table = Table("Version", "Train", "Held out", "Hash", "Frozen", "By", box=None)
    with reading(engine) as db:
        for made in reversed(datasets.all(db)):
            frozen = datetime.fromtimestamp(made.created_at).astimezone()
            table.add_row(
                made.name,
                str(made.train),
                str(made.heldout),
                made.hash[:12],
                frozen.strftime("%Y-%m-%d %H:%M"),
                made.created_by,
            )
    Console().print(table)


@dataset.command()
def diff(
    before: Annotated[str, typer.Argument(help="A version, such as d2.")],
    after: Annotated[str, typer.Argument(help="A later one; none: what would be frozen now.")] = "",
) -> None:
    """Show which pairs came, went, and were reworded between two versions."""
    settings, engine = _open()
    with reading(engine) as db:
        old = datasets.by_name(db, before)
        new = datasets.by_name(db, after) if after else None
    if new is None:
        since = freezing.since(engine, settings, old)
    else:
        since = freezing.difference(freezing.rows(settings, old), freezing.rows(settings, new))
    console = Console(highlight=False)
    console.print(f"{len(since.added)} new, {len(since.gone)} gone, {len(since.reworded)} reworded")
    for mark, style, found in (
        ("+", "green", since.added),
        ("-", "red", since.gone),
        ("~", "yellow", since.reworded),
    ):
        for row in found:
            console.print(Text(f"{mark} {row.pair_id:>6} {shorten(row.question, WIDE)}", style))


@dataset.command()
def card(name: Version = "") -> None:
    """Show a version's card: what is in it, its quality, and what was withdrawn since."""
    settings, engine = _open()
    Console().print(Markdown(_card(engine, settings, _version(engine, name))))


@dataset.command()
def quality(
    name: Version = "",
    picture: Annotated[Path | None, typer.Option(help="Also draw it, into this PNG.")] = None,
    recipe: Annotated[str, typer.Option(help="Whose longest row counts.")] = "",
    exact: Annotated[
        bool, typer.Option("--exact", help="Count tokens with the base model's tokenizer.")
    ] = False,
) -> None:
    """Measure a version, and say what to do about it, most useful first."""
    from builder import recipes
    from builder.quality.picture import picture as draw
    from builder.quality.report import report
    from builder.quality.text import markdown

    settings, engine = _open()
    version = _version(engine, name)
    chosen = recipes.load(recipe or settings.train.recipe, {}, data=settings.store.data)
    with reading(engine) as db:
        thumbs = feedback.by_pair(db)
    made = report(
        freezing.rows(settings, version),
        max_tokens=chosen.max_tokens,
        stale_days=settings.train.stale_days,
        count=_counter(settings) if exact else None,
        thumbs=thumbs,
    )
    Console().print(Markdown(markdown(made)))
    if picture is not None:
        picture.write_bytes(draw(made, f"Version {version.name}"))
        typer.echo(f"Drawn: {picture}")


@dataset.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the files go.")],
    name: Annotated[str, typer.Option("--version", help="A version; none: the newest.")] = "",
    format: Annotated[
        exports.Format, typer.Option(help="What reads it.")
    ] = exports.Format.MESSAGES,
) -> None:
    """Write a version for other tools; `lore import` reads each format back."""
    settings, engine = _open()
    version = _version(engine, name)
    inside = ArtifactStore(settings.store.data).open(version.folder)
    rows: dict[str, list[Row]] = {split: read(inside, split) for split in FILES}
    folder.mkdir(parents=True, exist_ok=True)
    for written in exports.write(rows, folder, format):
        typer.echo(str(written))


@dataset.command()
def thumbs(
    file: Annotated[Path, typer.Argument(help="The JSON Lines file to write.")],
) -> None:
    """Write the judged answers: what was asked, what was told, and whether it helped."""
    settings, engine = _open()
    with reading(engine) as db:
        found = judged.answers(db, settings.bot.train_on)
    file.parent.mkdir(parents=True, exist_ok=True)
    exports.write_lines(file, map(judged.line, found))
    helped = sum(one.helpful for one in found)
    typer.echo(f"{file}: {helped} helpful and {len(found) - helped} unhelpful answers")


def _card(engine: Engine, settings: Settings, version: DatasetVersion) -> str:
    """The frozen card, and below it what is known only since."""
    frozen = ArtifactStore(settings.store.data).open(version.folder) / "card.md"
    with reading(engine) as db:
        withdrawn = datasets.withdrawn(db, version.id)
        trained = [one.name for one in adapters.all(db) if one.dataset_id == version.id]
    lines = [
        "",
        "## Since it was frozen",
        "",
        f"Adapters trained on it: {', '.join(trained) or 'none'}.",
        "",
    ]
    if withdrawn:
        lines += [
            f"{len(withdrawn)} of its pairs are not approved any more. The next version is without them; "
            "this version and those adapters still hold them.",
            "",
            *[
                f"- pair {pair.id}: {pair.state}, {pair.reason or 'no reason given'}"
                for pair in withdrawn
            ],
        ]
    else:
        lines.append("All of its pairs are still approved.")
    return frozen.read_text(encoding="utf-8") + "\n".join([*lines, ""])


def _version(engine: Engine, name: str) -> DatasetVersion:
    with reading(engine) as db:
        found = datasets.by_name(db, name) if name else datasets.latest(db)
    if found is None:
        raise NotFound("No version was frozen yet.", fix="Freeze one with `lore dataset freeze`.")
    return found


def _counter(settings: Settings) -> Callable[[str], int]:
    """The base model's own count of tokens."""
    from transformers import AutoTokenizer

    from lorekeeper import models

    folder = models.get(models.base_spec(settings), settings.store.data)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return lambda text: len(tokenizer(text)["input_ids"])


def _open() -> tuple[Settings, Engine]:
    settings = config.load()
    return settings, store.open_database(settings.database_url)
