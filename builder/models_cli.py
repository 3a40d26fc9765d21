"""`lore models get` and `compare`: models' names in; a local folder, or which one to take, out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lorekeeper.quantities import size

if TYPE_CHECKING:
    from rich.table import Table

    from builder.choose import Comparison

models = typer.Typer(
    help="Fetch or compare models.", no_args_is_help=True, pretty_exceptions_enable=False,
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


@models.command()
def compare(
    names: Annotated[list[str], typer.Argument(help="Hub ids, folders, or package:NAME.")],
) -> None:
    """Ask several models your own held-out questions, and say which one to take."""
    import getpass

    from rich.console import Console

    from builder import choose
    from lorekeeper import settings, store

    config = settings.load()
    engine = store.open_database(config.database_url)
    with Console(stderr=True).status("Comparing …") as status:
        found = choose.compare(
            engine, config, names, by=getpass.getuser(), report=lambda what: status.update(what)
        )
    console = Console(highlight=False)
    if found.candidates:
        console.print(_table(found))
    for name, reason in found.unusable.items():
        console.print(f"{name} cannot be used: {reason}", markup=False)
    console.print(found.why, markup=False, style="bold")


def _table(found: Comparison) -> Table:
    from rich.table import Table

    table = Table(
        "", "Model", "Parameters", "On disk", "Licence", "Bits per byte", "F1", "Reads (tokens/s)",
        "Writes (tokens/s)", "Serving", "Training", box=None,
    )  # fmt: skip
    for one in found.candidates:
        table.add_row(
            "●" if one.name == found.recommended else "", one.name, f"{one.parameters / 1e6:,.0f}M",
            size(one.on_disk), one.licence, f"{one.mean_bits:.3f}", f"{one.mean_f1:.3f}",
            f"{one.reads:.0f}", f"{one.writes:.1f}", size(one.serving), size(one.training),
        )  # fmt: skip
    return table
