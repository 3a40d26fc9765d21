"""JSON Lines or a JSON array in; its entries, whatever shape each record has, out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from builder.imports.entries import Columns, Entry, Problem
from builder.imports.shapes import entries
from lorekeeper.errors import BadInput

LONGEST_LINE = 10 * 2**20  # bytes
LARGEST_ARRAY = 256 * 2**20  # bytes; an array is read whole


def lines(path: Path, columns: Columns) -> Iterator[Entry | Problem]:
    """One record a line; empty lines are passed over."""
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(LONGEST_LINE):
            number += 1
            if len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
                while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                yield Problem(line=number, reason=f"it is longer than {LONGEST_LINE} bytes")
            elif raw.strip(b"\xef\xbb\xbf \t\r\n"):
                yield from _of_line(number, raw.removeprefix(b"\xef\xbb\xbf"))


def array(path: Path, columns: Columns) -> Iterator[Entry | Problem]:
    """A list of records, or one object that holds such a list; `line` is a record's number.

    Raises:
        BadInput: it is not JSON, or holds no list.
    """
    if path.stat().st_size > LARGEST_ARRAY:
        raise BadInput(
            f"{path.name} is larger than {LARGEST_ARRAY} bytes.",
            fix="Give it as JSON Lines: one record a line.",
        )
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        if _is_lines(path):
            yield from lines(path, columns)
            return
        raise BadInput(f"{path.name} is not JSON: {error}.", fix="Export it again.") from None
    for number, record in enumerate(_listed(path, found), 1):
        yield from entries(number, record)


def _of_line(number: int, raw: bytes) -> Iterator[Entry | Problem]:
    try:
        record = json.loads(raw)
    except (ValueError, RecursionError) as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        yield Problem(line=number, reason=f"it is not JSON ({why[:200]})")
        return
    yield from entries(number, record)


def _is_lines(path: Path) -> bool:
    """Whether a `.json` file is JSON Lines in truth: its first line is a record by itself."""
    with path.open("rb") as file:
        first = file.readline(LONGEST_LINE)
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _listed(path: Path, found: Any) -> list[Any]:
    if isinstance(found, list):
        return found
    if isinstance(found, dict):
        inside = [value for value in found.values() if isinstance(value, list)]
        return inside[0] if len(inside) == 1 else [found]
    raise BadInput(f"{path.name} holds no records.", fix="Give a list of objects.")
