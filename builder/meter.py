"""Rows that are done in; how far the whole is, in rows and words, out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

Report = Callable[[int, int, str], None]  # done, of, what; raises to stop


@dataclass(slots=True)
class Meter:
    """Counts rows towards the whole, part by part; a part that need not be done again counts as done."""

    report: Report
    of: int
    done: int = 0
    _what: str = ""

    @contextmanager
    def part(self, rows: int) -> Iterator[None]:
        """So many rows, whether they are computed or were kept."""
        began = self.done
        yield
        self.done = began + rows

    def on(self, what: str) -> Callable[[int], None]:
        """Says what is done now. What comes back is called with rows, as they are finished."""
        self._what = what
        self.report(self.done, self.of, what)
        return self._advance

    def _advance(self, rows: int) -> None:
        self.done = min(self.of, self.done + rows)
        self.report(self.done, self.of, self._what)
