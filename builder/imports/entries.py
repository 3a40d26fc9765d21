"""What a reader found at one place of a file: a question with its answer, or why there is none."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from builder.dataset import Row

LONGEST = 40_000  # characters, as Slack's longest message
_KEPT = frozenset("\n\t")
_TEXTS = ("conversation", "source", "scope", "answer_ts", "channel")
_LISTS = ("authors", "tags", "redactions", "also_asked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of a table's columns, as a person gave them; "" lets them be recognised."""

    question: str = ""
    answer: str = ""
    tags: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A question with its answer. `line` counts from 1: lines, or a table's rows, or records."""

    line: int
    row: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why what stands at `line` cannot be used."""

    line: int
    reason: str


def entry(line: int, question: Any, answer: Any, about: Mapping[str, Any]) -> Entry | Problem:
    """An entry from what a file says, cleaned; `about` may hold more of a row's fields.

    Nothing is trusted: what has another type than a row's field is left out.
    """
    if not isinstance(question, str) or not isinstance(answer, str):
        return Problem(line=line, reason="the question or the answer is not a text")
    asked, told = clean(question), clean(answer)
    if not asked or not told:
        return Problem(line=line, reason=f"the {'answer' if asked else 'question'} is empty")
    if max(len(asked), len(told)) > LONGEST:
        return Problem(line=line, reason=f"a text is longer than {LONGEST} characters")
    return Entry(line=line, row=Row(question=asked, answer=told, **_provenance(about)))


def clean(text: str) -> str:
    """NFC, trimmed, without control characters and halves of characters."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(
        c for c in text if c in _KEPT or unicodedata.category(c) not in {"Cc", "Cs"}
    ).strip()


def _provenance(about: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: _text(about.get(name)) for name in _TEXTS}
    lists = {name: _texts(about.get(name)) for name in _LISTS}
    pair_id, rejected = about.get("pair_id"), _text(about.get("rejected_answer"))
    is_id = isinstance(pair_id, int) and not isinstance(pair_id, bool) and 0 <= pair_id < 2**63
    known = {field.name for field in fields(Row)}
    made = {
        **texts,
        **lists,
        "pair_id": pair_id if is_id else 0,
        "rejected_answer": rejected or None,
    }
    assert made.keys() <= known
    return made


def _text(value: Any) -> str:
    return clean(value) if isinstance(value, str) and len(value) <= LONGEST else ""


def _texts(value: Any) -> tuple[str, ...]:
    """A list of texts; in a table's cell, texts with commas between."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple):
        return ()
    return tuple(dict.fromkeys(filter(None, map(_text, value))))
