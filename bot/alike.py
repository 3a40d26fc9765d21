"""A pair in; the stored pairs that it duplicates or contradicts, as far as a reader may see them, out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from lorekeeper.domain import Pair, PairState
from lorekeeper.similar import Likeness, Neighbours
from lorekeeper.store import pairs, reading

SHOWN = 2  # of each pair
OVERLAP = 2.0  # seconds; a slow writer may commit after a faster one that came later
COMPARED = {PairState.CANDIDATE, PairState.APPROVED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """A stored pair that is like another one, and how."""

    pair: Pair
    likeness: Likeness


class Library:
    """The words of all live pairs, kept in memory and brought up to date at every look."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._neighbours = Neighbours[int]()
        self._seen: dict[int, float] = {}  # pairs that changed last, and when
        self._lock = threading.Lock()

    def like(self, pair: Pair, *, visible: Callable[[Pair], bool]) -> list[Alike]:
        """At most `SHOWN` pairs, approved ones first; of two candidates the older is the original."""
        self.look()
        with self._lock:
            near = self._neighbours.of(pair.question, pair.answer, but=pair.id)
        kinds = {neighbour.key: neighbour.likeness for neighbour in near}
        with reading(self._engine) as db:
            found = [pairs.get(db, key) for key in kinds]
        wanted = [
            other
            for other in found
            if visible(other)
            and (
                other.state is PairState.APPROVED
                or (other.state is PairState.CANDIDATE and other.id < pair.id)
            )
        ]
        wanted.sort(key=lambda other: other.state is not PairState.APPROVED)
        return [Alike(pair=other, likeness=kinds[other.id]) for other in wanted[:SHOWN]]

    def look(self) -> None:
        """Take in what was added, edited and decided since the last look."""
        with self._lock:
            newest = max(self._seen.values(), default=0.0)
            with reading(self._engine) as db:
                changes = pairs.changed_since(db, newest - OVERLAP)
                unseen = [key for key, at in changes.items() if self._seen.get(key) != at]
                for pair in pairs.of_ids(db, unseen):
                    if pair.state in COMPARED:
                        self._neighbours.put(pair.id, pair.question, pair.answer)
                    else:
                        self._neighbours.drop(pair.id)
            # Only what a later look could meet again has to be remembered.
            newest = max([newest, *changes.values()])
            recent = {**self._seen, **changes}
            self._seen = {key: at for key, at in recent.items() if at >= newest - OVERLAP}
