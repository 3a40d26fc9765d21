"""Rows in, or a CSV file's text; a Markdown table with its head out."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from retrieval.formats import Unreadable

DELIMITERS = ",;\t|"
SAMPLE = 50  # rows by which the delimiter is told


def from_csv(text: str) -> str:
    """The first row is the head. Comma, semicolon, tab or bar between the cells: whichever fits.

    Raises:
        Unreadable: it is no CSV, or a cell is too large.
    """
    try:
        return as_markdown(list(_rows(text, max(DELIMITERS, key=lambda mark: _fits(text, mark)))))
    except csv.Error as error:
        raise Unreadable(f"is no CSV: {error}") from error


def _fits(text: str, delimiter: str) -> int:
    """How many of the first rows it cuts into the same number of cells, two at least."""
    widths = Counter(len(row) for row in islice(_rows(text, delimiter), SAMPLE) if len(row) > 1)
    return max(widths.values(), default=0)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def as_markdown(rows: Iterable[Sequence[str]]) -> str:
    """Empty rows, and columns that are empty throughout, are left out; "" where nothing is left."""
    filled = [[_cell(cell) for cell in row] for row in rows if any(map(str.strip, row))]
    width = max(map(len, filled), default=0)
    whole = [[*row, *[""] * (width - len(row))] for row in filled]
    kept = [column for column in range(width) if any(row[column] for row in whole)]
    lines = [f"| {' | '.join(row[column] for column in kept)} |" for row in whole]
    return "\n".join([*lines[:1], "|" + " --- |" * len(kept), *lines[1:]]) if lines else ""


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")
