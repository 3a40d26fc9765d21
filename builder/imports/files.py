"""A file of questions and answers in, of any of the known formats; its entries and its problems, line by line, out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from builder.imports import faq, parquet, records, tables
from builder.imports.entries import Columns, Entry, Problem
from lorekeeper.errors import BadInput

LARGEST = 2 * 2**30  # bytes; JSON Lines and CSV are read line by line, the others are smaller

__all__ = ["Columns", "Entry", "Problem", "read"]

Reader = Callable[[Path, Columns], Iterator[Entry | Problem]]

READERS: dict[str, Reader] = {
    ".jsonl": records.lines,
    ".ndjson": records.lines,
    ".json": records.array,
    ".csv": tables.separated,
    ".tsv": tables.separated,
    ".xlsx": tables.sheet,
    ".parquet": parquet.read,
    ".md": faq.markdown,
    ".markdown": faq.markdown,
    ".html": faq.html,
    ".htm": faq.html,
}


def read(path: Path, columns: Columns | None = None) -> Iterator[Entry | Problem]:
    """What stands in the file, one result at a time; the file's suffix says what it is.

    Raises:
        BadInput: the file is missing, empty, too large, of an unknown kind, or cannot be read as the
            kind that it says it is. A single entry that cannot be used is a Problem instead.
    """
    if not path.is_file():
        raise BadInput(f"There is no file {path}.", fix="Check the path.")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise BadInput(
            f"{path.name} is of no kind that can be imported.",
            fix=f"Known are {', '.join(READERS)}, and a Slack export as .zip or folder.",
        )
    size = path.stat().st_size
    if size == 0:
        raise BadInput(f"{path.name} is empty.", fix="Export it again.")
    if size > LARGEST:
        raise BadInput(
            f"{path.name} has {size} bytes, more than {LARGEST}.", fix="Cut it into several files."
        )
    return reader(path, columns or Columns())
