"""A task's rows in; those to train on and those to judge by, apart for ever, out.

A group (a conversation, a document, one input) is never split, and its side follows from its name
alone, so it stays there whatever is added. Where near-duplicates join groups of both sides, all of
them are held out, as with the pairs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from builder.dataset import FILES
from builder.duplicates import ANSWER_WORDS, QUESTION_WORDS, joined, near, same
from lorekeeper.errors import BadInput
from lorekeeper.store.datasets import HELDOUT, TRAIN
from lorekeeper.store.rows import plain, revive
from lorekeeper.text import normalise


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One input with the output that is wanted."""

    input: str
    output: str
    group: str  # "CHANNEL/ROOT_TS" for what was said in Slack; rows of one group never part
    pair_id: int = 0  # of the approved pair that it was drawn from


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRows:
    """A task's rows on their sides."""

    train: tuple[TaskRow, ...]
    heldout: tuple[TaskRow, ...]
    left_out: tuple[str, ...] = ()  # why rows are missing, in words, with how many

    @property
    def labels(self) -> tuple[str, ...]:
        """Every output that there is, in alphabetical order."""
        return tuple(sorted({row.output for row in chain(self.train, self.heldout)}))

    @property
    def version(self) -> str:
        """The same for the same rows on the same sides."""
        return hashlib.sha256(json.dumps(plain(self), sort_keys=True).encode()).hexdigest()[:16]


def split(rows: Sequence[TaskRow], *, share: float) -> TaskRows:
    """Hold about `share` of the groups out; one at least.

    Raises:
        BadInput: all rows belong together, so that nothing can be held out.
    """
    parts = joined(len(rows), _links(rows))
    if len(parts) < 2:
        raise BadInput(
            f"{len(rows)} rows make {len(parts)} group: rows of one group, or whose inputs say nearly the same, stay together.",
            fix="Give rows of other conversations, too: some must be held out to judge by.",
        )
    places = [min(_place(rows[index].group) for index in part) for part in parts]
    least = max(share, min(places))
    held = {i for part, place in zip(parts, places, strict=True) if place <= least for i in part}
    if len(held) == len(rows):
        held -= set(parts[places.index(max(places))])
    return TaskRows(
        train=tuple(row for index, row in enumerate(rows) if index not in held),
        heldout=tuple(row for index, row in enumerate(rows) if index in held),
    )


def apart(rows: TaskRows, judging: Iterable[TaskRow]) -> TaskRows:
    """The rows without those to train on that share a group with anything that judges, or say nearly
    the same: what judges one task must not be learned with another."""
    judged = list(judging)
    groups = {row.group for row in judged}
    said = [text for row in judged for text in (row.input, row.output)]
    known = set(_alike(said, [row.input for row in rows.train], least=QUESTION_WORDS))
    known |= set(_alike(said, [row.output for row in rows.train], least=ANSWER_WORDS))
    short = {normalise(row.input) for row in judged}
    kept = tuple(
        row
        for index, row in enumerate(rows.train)
        if row.group not in groups and index not in known and normalise(row.input) not in short
    )
    gone = len(rows.train) - len(kept)
    if not gone:
        return rows
    why = f"{gone} rows to train on say nearly the same as what judges"
    return replace(rows, train=kept, left_out=(*rows.left_out, why))


def shuffled(rows: Iterable[TaskRow]) -> list[TaskRow]:
    """In an order that says nothing, and is the same everywhere: files are often sorted by label."""
    return sorted(rows, key=lambda row: hashlib.sha256(row.input.encode()).digest())


def write(folder: Path, rows: TaskRows) -> None:
    """One line a row, in a file a side."""
    for side, found in ((TRAIN, rows.train), (HELDOUT, rows.heldout)):
        lines = (json.dumps(plain(row), ensure_ascii=False, sort_keys=True) for row in found)
        text = "".join(f"{line}\n" for line in lines)
        (folder / FILES[side]).write_text(text, encoding="utf-8")


def read(folder: Path) -> TaskRows:
    """What `write` wrote."""
    return TaskRows(train=_lines(folder / FILES[TRAIN]), heldout=_lines(folder / FILES[HELDOUT]))


def _lines(path: Path) -> tuple[TaskRow, ...]:
    text = path.read_text(encoding="utf-8")
    return tuple(revive(TaskRow, json.loads(line)) for line in text.split("\n") if line)


def _links(rows: Sequence[TaskRow]) -> Iterator[tuple[int, int]]:
    yield from same([row.group for row in rows])
    yield from same([normalise(row.input) for row in rows])
    yield from near([row.input for row in rows], least_words=QUESTION_WORDS)


def _place(group: str) -> float:
    """A group's place in the queue for the held-out side, 0 to 1: random, and the same everywhere."""
    return int(hashlib.sha256(f"heldout\0{group}".encode()).hexdigest()[:13], 16) / 16**13


def _alike(judged: Sequence[str], texts: Sequence[str], *, least: int) -> Iterator[int]:
    """Indexes of the texts, of at least so many words, that say nearly the same as one that is judged."""
    links = near([*judged, *texts], least_words=least)
    yield from (later - len(judged) for first, later in links if first < len(judged) <= later)
