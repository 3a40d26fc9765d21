"""Pairs in, the lines of a dataset file out, and back: chat `messages` with where they came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorekeeper.domain import Pair
from lorekeeper.store.datasets import HELDOUT, TRAIN
from lorekeeper.store.rows import plain, revive

FILES = {TRAIN: "train.jsonl", HELDOUT: "heldout.jsonl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One question with its answer, as frozen. Redacted when it was captured."""

    pair_id: int
    question: str
    answer: str
    conversation: str
    source: str
    scope: str
    answer_ts: str
    channel: str = ""
    authors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    redactions: tuple[str, ...] = ()
    also_asked: tuple[str, ...] = ()  # other wordings of the question, from merged pairs
    rejected_answer: str | None = None  # of a correction: the answer that it replaces


def row_of(pair: Pair) -> Row:
    return Row(
        pair_id=pair.id,
        question=pair.question,
        answer=pair.answer,
        conversation=pair.conversation,
        source=pair.source,
        scope=pair.scope,
        answer_ts=pair.answer_ts,
        channel=pair.channel,
        authors=pair.authors,
        tags=pair.tags,
        redactions=pair.redactions,
        also_asked=pair.also_asked,
        rejected_answer=pair.rejected_answer,
    )


def write(folder: Path, split: str, rows: Iterable[Row]) -> None:
    """Write one line a row. The same rows give the same bytes."""
    lines = [json.dumps(line_of(row), ensure_ascii=False, sort_keys=True) for row in rows]
    (folder / FILES[split]).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read(folder: Path, split: str) -> list[Row]:
    """The rows of one split of a frozen dataset, in their order."""
    text = (folder / FILES[split]).read_text(encoding="utf-8")
    # Not splitlines(): an answer may hold U+2028, which JSON leaves as it is.
    return [_row(json.loads(line)) for line in text.split("\n") if line]


def read_both(folder: Path) -> tuple[list[Row], list[Row]]:
    """The rows to train on, and those that are held out."""
    return read(folder, TRAIN), read(folder, HELDOUT)


def newest(rows: Sequence[Row], most: int) -> list[Row]:
    """At most so many rows, those with the newest answers first."""
    return sorted(rows, key=lambda row: row.answer_ts, reverse=True)[:most]


def line_of(row: Row) -> dict[str, Any]:
    """`messages` is what other trainers read; the instructions are added when it is tokenised."""
    values: dict[str, Any] = plain(row)
    turns = [
        {"role": "user", "content": values.pop("question")},
        {"role": "assistant", "content": values.pop("answer")},
    ]
    return {"messages": turns, **values}


def _row(line: dict[str, Any]) -> Row:
    user, assistant = line["messages"]
    return revive(Row, {**line, "question": user["content"], "answer": assistant["content"]})
