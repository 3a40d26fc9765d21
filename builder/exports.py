"""The rows of a dataset version in; files that other tools read, out, from which nothing is lost.

`builder.imports` reads each of them back: what other tools have no place for stands under our own name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from builder.dataset import Row, line_of
from builder.imports.shapes import OWN
from lorekeeper.store.rows import plain

Record = dict[str, Any]


class Format(StrEnum):
    """What reads the files."""

    MESSAGES = "messages"  # chat messages, one JSON object a line: most trainers
    PARQUET = "parquet"
    PREFERENCES = "preferences"  # prompt, chosen, rejected: preference trainers
    ARGILLA = "argilla"
    LABEL_STUDIO = "label-studio"


def write(rows_by_split: Mapping[str, Sequence[Row]], folder: Path, format: Format) -> list[Path]:
    """Write a file for each split, and what a tool needs beside them; each is complete or absent.

    Preference pairs are those rows alone that carry a rejected answer.
    """
    writer = _WRITERS[format]
    written = [
        _complete(folder / f"{split}{writer.suffix}", writer.write, rows)
        for split, rows in rows_by_split.items()
    ]
    for name, text in writer.beside.items():
        written.append(_complete(folder / name, _put_text, text))
    return written


def _complete(path: Path, put: Callable[[Path, Any], None], content: Any) -> Path:
    draft = path.with_name(f".{path.name}.part")
    put(draft, content)
    os.replace(draft, path)
    return path


def _put_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _messages(path: Path, rows: Sequence[Row]) -> None:
    _put_lines(path, map(line_of, rows))


def _preferences(path: Path, rows: Sequence[Row]) -> None:
    _put_lines(
        path,
        (
            {
                "prompt": [{"role": "user", "content": row.question}],
                "chosen": [{"role": "assistant", "content": row.answer}],
                "rejected": [{"role": "assistant", "content": row.rejected_answer}],
                OWN: plain(row),
            }
            for row in rows
            if row.rejected_answer
        ),
    )


def _parquet(path: Path, rows: Sequence[Row]) -> None:
    import pyarrow as arrow
    from pyarrow import parquet

    texts, text = arrow.list_(arrow.string()), arrow.string()
    names = {
        "pair_id": arrow.int64(),
        **dict.fromkeys(("question", "answer", "conversation", "source", "scope"), text),
        **dict.fromkeys(("answer_ts", "channel"), text),
        **dict.fromkeys(("authors", "tags", "redactions", "also_asked"), texts),
        "rejected_answer": text,
    }
    schema = arrow.schema(list(names.items()))
    table = arrow.Table.from_pylist([plain(row) for row in rows], schema=schema)
    parquet.write_table(table, path)


def _argilla(path: Path, rows: Sequence[Row]) -> None:
    """Records as Argilla 2's `dataset.records.from_json` takes them; metadata holds the rest as JSON."""
    records = [
        {
            "id": f"pair-{row.pair_id}",
            "fields": {"question": row.question, "answer": row.answer},
            "metadata": {OWN: json.dumps(plain(row), ensure_ascii=False)},
            "suggestions": {},
            "responses": {},
        }
        for row in rows
    ]
    _put_text(path, json.dumps(records, ensure_ascii=False, indent=1))


def _label_studio(path: Path, rows: Sequence[Row]) -> None:
    tasks = [
        {"data": {"question": row.question, "answer": row.answer, OWN: plain(row)}} for row in rows
    ]
    _put_text(path, json.dumps(tasks, ensure_ascii=False, indent=1))


def write_lines(path: Path, records: Iterable[Record]) -> None:
    """Write a JSON Lines file, complete or absent."""
    _complete(path, _put_lines, records)


def _put_lines(path: Path, records: Iterable[Record]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


class _Writer:
    """How a format is written: its files' ending, and what stands beside them."""

    def __init__(
        self,
        write: Callable[[Path, Sequence[Row]], None],
        suffix: str,
        beside: Mapping[str, str] | None = None,
    ) -> None:
        self.write = write
        self.suffix = suffix
        self.beside = beside or {}


_ARGILLA_SETTINGS = {
    "guidelines": "Is this answer right and worth learning? Correct it where it is not.",
    "fields": [
        {"name": name, "title": name.capitalize(), "type": "text", "use_markdown": True}
        for name in ("question", "answer")
    ],
    "questions": [
        {"name": "verdict", "type": "label_selection", "labels": ["approve", "reject"]},
        {"name": "corrected_answer", "type": "text", "required": False, "use_markdown": True},
    ],
    "metadata": [{"name": OWN, "type": "terms", "visible_for_annotators": False}],
}
_LABELLING = """<View>
  <Header value="Question"/>
  <Text name="question" value="$question"/>
  <Header value="Answer"/>
  <Text name="answer" value="$answer"/>
  <Choices name="verdict" toName="answer" choice="single" showInLine="true">
    <Choice value="approve"/>
    <Choice value="reject"/>
  </Choices>
  <TextArea name="corrected_answer" toName="answer" rows="6" maxSubmissions="1"/>
</View>
"""
_WRITERS = {
    Format.MESSAGES: _Writer(_messages, ".jsonl"),
    Format.PARQUET: _Writer(_parquet, ".parquet"),
    Format.PREFERENCES: _Writer(_preferences, ".preferences.jsonl"),
    Format.ARGILLA: _Writer(
        _argilla,
        ".argilla.json",
        {"argilla-settings.json": json.dumps(_ARGILLA_SETTINGS, indent=2) + "\n"},
    ),
    Format.LABEL_STUDIO: _Writer(
        _label_studio, ".label-studio.json", {"label-studio.xml": _LABELLING}
    ),
}
