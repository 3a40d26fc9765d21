"""A thread in; what stands for what in it, so that one placeholder never stands for two things, out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from sqlalchemy import Connection

from lorekeeper.domain import Message
from lorekeeper.redact import PLACEHOLDER, Placeholders
from lorekeeper.store import messages

REMEMBERED = 500  # threads


class ThreadPlaceholders:
    """The placeholders of the threads that were written to last, in memory only: they hold what was removed."""

    def __init__(self) -> None:
        self._threads: OrderedDict[tuple[str, str], Placeholders] = OrderedDict()
        self._lock = threading.Lock()

    def of(
        self, db: Connection, channel: str, *, root: str, but_for: str = "", is_live: bool = True
    ) -> Placeholders:
        """Those of a thread that is not remembered go on counting after what is stored of it,
        but for the message that is about to be stored again.

        What is read of the past (not `is_live`) is remembered only where there is room: it displaces
        no thread that is written to.
        """
        with self._lock:
            known = self._threads.pop((channel, root), None)
            if known is None:
                stored = messages.thread(db, channel, root)
                known = placeholders_of(message for message in stored if message.ts != but_for)
            if is_live or len(self._threads) < REMEMBERED:
                self._threads[channel, root] = known
            while len(self._threads) > REMEMBERED:
                self._threads.popitem(last=False)
            return known


def placeholders_of(stored: Iterable[Message]) -> Placeholders:
    """Placeholders that go on counting where the stored messages left off, so that none means two things."""
    known = Placeholders()
    for message in stored:
        for found in PLACEHOLDER.findall(message.text):
            kind, number = found.strip("[]").split()
            known.counts[kind] = max(known.counts[kind], int(number))
    return known


def kinds_in(text: str) -> tuple[str, ...]:
    """The kinds of the placeholders in a stored text, one entry each."""
    return tuple(found.strip("[]").split()[0] for found in PLACEHOLDER.findall(text))
