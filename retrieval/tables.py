"""Rows in, or a CSV file's text; a Markdown table with its head out."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from retrieval.formats import Unreadable

DELIMITERS = ",;\t|"
SAMPLE = 20_000  # characters by which the delimiter is told


def from_csv(text: str) -> str:
    """The first row is the head. Comma, semicolon, tab or bar between the cells: whichever fits.

    Raises:
        Unreadable: it is no CSV, or a cell is too large.
    """
    try:
        dialect: type[csv.Dialect] | csv.Dialect = csv.Sniffer().sniff(text[:SAMPLE], DELIMITERS)
    except csv.Error:  # one column, or cells with text in them: the common form
        dialect = csv.excel_tab if "\t" in text[:SAMPLE] else csv.excel
    try:
        return as_markdown(list(csv.reader(io.StringIO(text, newline=""), dialect)))
    except csv.Error as error:
        raise Unreadable(f"is no CSV: {error}") from error


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
