"""Acts and what happens in them in; a terminal display that a person likes to watch out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

QUIET = 5.0  # seconds between two lines about one act, where there is no terminal


class Show:
    """One line for each act, with a spinner while it plays and its time when it is done."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.began = time.monotonic()
        self._number = 0

    def title(self, text: str, below: str) -> None:
        self.console.print(Panel(Text(below, style="dim"), title=text, title_align="left"))

    @contextmanager
    def act(self, title: str) -> Iterator[Act]:
        """Play one act. An error inside marks it and goes on up."""
        self._number += 1
        act = Act(f"{self._number:>2}. {title}", self.console)
        with Live(act, console=self.console, refresh_per_second=8, transient=True):
            try:
                yield act
            except BaseException:
                act.failed = True
                raise
            finally:
                act.end()
        self.console.print(act.summary())

    def side_by_side(self, rows: Sequence[tuple[str, str, str]], after: str) -> None:
        """Question, answer before, answer after: one block each."""
        table = Table(title="Before and after", show_lines=True, expand=True, title_justify="left")
        table.add_column("Asked", ratio=2)
        table.add_column("Before: the base model", ratio=4, style="dim")
        table.add_column(f"After: {after}", ratio=4)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(table)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


class Act:
    """What is being played: a bar where the end is known, and the lines that were said."""

    def __init__(self, title: str, console: Console) -> None:
        self.title = title
        self.failed = False
        self._console = console
        self._began = time.monotonic()
        self._seconds = 0.0
        self._lines: list[str] = []
        self._printed = ""
        self._told = 0.0
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}", style="dim"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task(title, total=None, note="")

    def update(self, done: float, total: float | None, note: str = "") -> None:
        """How far it is; where there is no terminal, a changed note is a line."""
        self._progress.update(self._task, completed=done, total=total, note=note)
        if self._console.is_terminal or not note or note == self._printed:
            return
        if time.monotonic() - self._told >= QUIET:
            self._told, self._printed = time.monotonic(), note
            self._console.print(f"      {note}")

    def say(self, line: str) -> None:
        """Keep a line under the act."""
        self._lines.append(line)

    def end(self) -> None:
        self._seconds = time.monotonic() - self._began

    def summary(self) -> RenderableType:
        mark = Text("✗ ", style="red") if self.failed else Text("✓ ", style="green")
        head = mark + Text(self.title, style="bold") + Text(f"  {self._seconds:.1f} s", style="dim")
        return Group(head, *self._said())

    def _said(self) -> list[RenderableType]:
        return [Padding(Text.from_markup(line), (0, 0, 0, 6)) for line in self._lines]

    def __rich__(self) -> RenderableType:
        return Group(self._progress, *self._said())
