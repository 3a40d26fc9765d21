"""`lore demo`: the whole loop in a workspace in a box, on the bundled workspace or on any export."""

from __future__ import annotations

import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from bot.demo import bundled, found
from bot.demo.acts import play
from bot.demo.script import Script
from bot.demo.show import Show
from bot.demo.stage import EngineKind, Stage, open_stage
from lorekeeper.slack_export import Export, open_export


def demo(
    export: Annotated[Path | None, typer.Option(help="A Slack export, zip or folder.")] = None,
    engine: Annotated[EngineKind, typer.Option(help="What writes the answers.")] = "embedded",
    pairs: Annotated[int, typer.Option(help="At most this many good answers are kept.")] = 110,
    stay: Annotated[
        bool | None,
        typer.Option(help="Leave the playground open at the end. Default: in a terminal."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder for what is made; kept afterwards.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the playground's page; 0: a free one.")] = 0,
) -> None:
    """Play the whole loop for real: capture, review, train, compare, promote, ask, correct."""
    with tempfile.TemporaryDirectory(prefix="lore-demo-") as scratch:
        folder = data or Path(scratch) / "data"
        folder.mkdir(parents=True, exist_ok=True)
        opened = open_export(export or bundled.write_export(Path(scratch) / "export"))
        chosen = found.script(opened, most=pairs) if export else _first(bundled.script(), pairs)
        documents = () if export else ("pydoc",)
        _run(opened, chosen, engine, documents, folder, port, stay)


def _run(
    export: Export,
    script: Script,
    engine: EngineKind,
    documents: tuple[str, ...],
    data: Path,
    port: int,
    stay: bool | None,
) -> None:
    show = Show()
    show.title("Lorekeeper", "The whole loop, for real, on this machine. Nothing leaves it.")
    with open_stage(
        export, script, data=data, engine=engine, documents=documents, page_port=port
    ) as stage:
        play(stage, show)
        show.console.print(f"\nDone in {show.seconds / 60:.1f} minutes.")
        if stay if stay is not None else sys.stdout.isatty():
            _stay(stage, show)


def _stay(stage: Stage, show: Show) -> None:
    """Keep everything running until Ctrl-C; the newcomer is a member now."""
    url = stage.playground.page_url
    webbrowser.open(url)
    show.console.print(f"The workspace stays open at [link]{url}[/link]. Ctrl-C ends it.")
    try:
        while True:
            stage.supervisor.check()
            stage.playground.workspace.wait_for_change(sys.maxsize, 5.0)
    except KeyboardInterrupt:
        show.console.print("\nEverything is stopped.")


def _first(script: Script, most: int) -> Script:
    from dataclasses import replace

    return replace(script, reactions=script.reactions[:most])
