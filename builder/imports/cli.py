"""`lore import`: files in; what became of each, with the lines that could not be used, out."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from builder.imports.files import Columns
from builder.imports.pairs import import_pairs
from builder.imports.slack import Report, Tell, import_export
from lorekeeper import settings as config
from lorekeeper import store
from lorekeeper.domain import PUBLIC
from lorekeeper.errors import BadInput

PROBLEMS = 20  # shown of each file; --problems shows all


def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Slack exports (zip or folder), JSONL, JSON, CSV, TSV, XLSX, Parquet, Markdown or HTML."
        ),
    ],
    question: Annotated[str, typer.Option(help="A table's column of questions.")] = "",
    answer: Annotated[str, typer.Option(help="A table's column of answers.")] = "",
    tags: Annotated[str, typer.Option(help="A table's column of tags.")] = "",
    scope: Annotated[
        str, typer.Option(help="Private channel whose members alone may see what the files hold.")
    ] = PUBLIC,
    workspace: Annotated[
        str, typer.Option(help="A workspace's address, for links: https://team.slack.com")
    ] = "",
    direct: Annotated[
        bool, typer.Option("--direct", help="Take an export's direct messages, too.")
    ] = False,
    mining: Annotated[
        bool, typer.Option("--mine/--no-mine", help="Look for answered questions in an export.")
    ] = True,
    problems: Annotated[bool, typer.Option("--problems", help="Show every problem.")] = False,
) -> None:
    """Take what was said or written elsewhere, as candidates for review. Twice adds nothing."""
    for path in paths:
        if not path.exists():
            raise BadInput(f"There is no file {path}.", fix="Check the path; nothing was imported.")
    engine = store.open_database(config.load().database_url)
    by, console = getpass.getuser(), Console(highlight=False)
    columns = Columns(question=question, answer=answer, tags=tags)
    for path in paths:
        if path.is_dir() or path.suffix.lower() == ".zip":
            with _progress(console) as tell:
                done = import_export(
                    engine,
                    path,
                    by=by,
                    direct=direct,
                    mining=mining,
                    workspace=workspace,
                    tell=tell,
                )
            _tell(console, path, _of_export(done), done.problems, problems)
        else:
            made = import_pairs(engine, path, by=by, columns=columns, scope=scope)
            told = f"{made.read} pairs, {made.added} new candidates, {made.known} known already"
            lines = [f"line {one.line}: {one.reason}" for one in made.problems]
            _tell(console, path, [told], lines, problems)
    console.print("Candidates wait for review in the App Home; nothing is trained on before that.")


@contextmanager
def _progress(console: Console) -> Iterator[Tell]:
    """A line that says which channel is read; nothing where there is no terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Reading…", total=None)

        def tell(channel: str, read: int) -> None:
            progress.update(task, description=f"#{escape(channel)}: {read} messages")

        yield tell


def _of_export(done: Report) -> list[str]:
    told = (
        f"{done.read} messages in {done.channels} channels, {done.stored} new; "
        f"{done.found} new candidates"
    )
    deleted = [f"{done.deleted} deleted since"] if done.deleted else []
    return [told, *deleted, *(f"left out: {n} {why}" for why, n in done.left_out.most_common())]


def _tell(console: Console, path: Path, told: list[str], problems: list[str], every: bool) -> None:
    console.print(Text(str(path), style="bold"))
    for line in told:
        console.print(Text(f"  {line}"))
    shown = problems if every else problems[:PROBLEMS]
    for problem in shown:
        console.print(Text(f"  {problem}", style="yellow"))
    if len(problems) > len(shown):
        console.print(f"  … and {len(problems) - len(shown)} more; --problems shows all.")
