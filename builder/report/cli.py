"""`lore report`: an adapter's name in; its page, with what happened since, written, and where it is, out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    name: Annotated[str, typer.Argument(help="The adapter, such as v3; none: the newest.")] = "",
    to: Annotated[
        Path | None, typer.Option(help="The file; none: reports/ of the data folder.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write an adapter's report as one page, and say where it is."""
    from builder.report import evidence
    from builder.report.page import page
    from builder.report.since import since
    from lorekeeper import settings as config
    from lorekeeper import store
    from lorekeeper.artifacts import ArtifactStore, write_whole
    from lorekeeper.errors import NotFound
    from lorekeeper.store import adapters, reading

    settings = config.load()
    engine = store.open_database(settings.database_url)
    with reading(engine) as db:
        made = adapters.all(db)
        if not made:
            raise NotFound("No adapter was trained yet.", fix="Train one with `lore train`.")
        adapter = adapters.by_name(db, name) if name else made[-1]
        after = since(db, adapter)
    told = evidence.of(adapter, ArtifactStore(settings.store.data))
    file = to or settings.store.data / "reports" / f"{adapter.name}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, page(told, since=after))
    typer.echo(str(file.resolve()))
    if open_:
        typer.launch(file.resolve().as_uri())
