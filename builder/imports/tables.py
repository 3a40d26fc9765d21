"""A table in (CSV, TSV, XLSX); a question with its answer from each of its rows out."""

from __future__ import annotations

import csv
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from builder.imports.entries import Columns, Entry, Problem, entry
from lorekeeper.errors import BadInput
from lorekeeper.slack_export import refuse_dangerous

DELIMITERS = ",;\t|"
SNIFFED = 64 * 1024  # characters that the delimiter is told from
LONGEST_CELL = 1_000_000  # characters
NAMES = {
    "question": (
        *("question", "questions", "q", "prompt", "instruction", "input", "query", "title"),
        *("frage", "pregunta", "domanda", "pergunta", "вопрос", "質問", "问题", "질문"),
    ),
    "answer": (
        *("answer", "answers", "a", "completion", "output", "response", "reply", "solution"),
        *(
            "antwort",
            "réponse",
            "respuesta",
            "risposta",
            "resposta",
            "ответ",
            "回答",
            "答案",
            "답변",
        ),
    ),
    "tags": ("tags", "tag", "labels", "label", "topic", "topics", "category", "categories"),
}


def separated(path: Path, columns: Columns) -> Iterator[Entry | Problem]:
    """CSV or TSV in UTF-8; `line` is the line that a row ends on.

    Raises:
        BadInput: it is not text, or has no column of questions or of answers.
    """
    csv.field_size_limit(min(LONGEST_CELL, sys.maxsize))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.read(SNIFFED)
            if "\0" in head:
                raise BadInput(f"{path.name} is not text.", fix="Save it as CSV in UTF-8.")
            file.seek(0)
            rows = csv.reader(file, delimiter=_delimiter(path, head))
            yield from _entries(path, _numbered(rows), columns)
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path.name} is not in UTF-8 (byte {error.start}).", fix="Save it as CSV in UTF-8."
        ) from None


def sheet(path: Path, columns: Columns) -> Iterator[Entry | Problem]:
    """The first sheet of an XLSX file, its values as they were last calculated; `line` is the row.

    Raises:
        BadInput: it is damaged, would unpack to far more than a table does, or lacks a column.
    """
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(path) as packed:
            for inside in packed.infolist():
                refuse_dangerous(inside)
        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise BadInput(
            f"{path.name} cannot be opened as XLSX: {error}.", fix="Save it again, or as CSV."
        ) from None
    try:
        rows = book.worksheets[0].iter_rows(values_only=True) if book.worksheets else iter(())
        yield from _entries(path, enumerate(map(_texts, rows), 1), columns)
    finally:
        book.close()


def _numbered(rows: Any) -> Iterator[tuple[int, list[str] | str]]:
    """Rows with their lines; of one that cannot be read, why."""
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield rows.line_num, str(error)
            continue
        yield rows.line_num, cells


def _entries(
    path: Path, rows: Iterator[tuple[int, list[str] | str]], columns: Columns
) -> Iterator[Entry | Problem]:
    _, head = next(rows, (0, []))
    names = [name.strip() for name in head] if isinstance(head, list) else []
    places = {kind: _place(path, names, kind, getattr(columns, kind)) for kind in NAMES}
    question, answer, tags = (places[kind] for kind in NAMES)
    group = names.index("group") if {"input", "output", "group"} <= set(names) else None
    assert question is not None
    assert answer is not None
    for line, cells in rows:
        if isinstance(cells, str):
            yield Problem(line=line, reason=f"it cannot be read ({cells})")
        elif any(cell.strip() for cell in cells):
            about = {"tags": _cell(cells, tags)} if tags is not None else {}
            about |= {name: _cell(cells, at) for at, name in enumerate(names) if name in _OWN}
            if group is not None:
                about["conversation"] = _cell(cells, group)
            yield entry(line, _cell(cells, question), _cell(cells, answer), about)


_OWN = frozenset({"source", "conversation", "authors"})


def _place(path: Path, names: Sequence[str], kind: str, wanted: str) -> int | None:
    """Where a column is: by the name that a person gave, or by a usual one.

    Raises:
        BadInput: there is none of that name, or none of questions or answers.
    """
    there = [name.casefold() for name in names]
    for name in [wanted.casefold()] if wanted else NAMES[kind]:
        if name in there:
            return there.index(name)
    if kind == "tags" and not wanted:
        return None
    what = f"no column {wanted!r}" if wanted else f"no column of {kind}s"
    raise BadInput(
        f"{path.name} has {what}; it has {', '.join(filter(None, names)) or 'no names in its first row'}.",
        fix=f"Name it: --{kind} COLUMN.",
    )


def _cell(cells: Sequence[str], at: int) -> str:
    return cells[at] if at < len(cells) else ""


def _texts(row: Iterable[Any]) -> list[str]:
    return ["" if value is None else str(value) for value in row]


def _delimiter(path: Path, head: str) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    first = head.split("\n", 1)[0]
    return max(DELIMITERS, key=first.count)
