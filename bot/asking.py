"""Questions that are being answered right now: who may stop one, and what it became while it was answered."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

REMEMBERED = (
    1_000  # answered questions; an edit that was made before the end arrives within seconds
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A question that was answered: when the answer was whole, and in which messages it stands."""

    at: float
    messages: tuple[str, ...]


class Asked:
    """One question on its way to an answer; other threads change its text or take it back."""

    def __init__(self, channel: str, ts: str, root: str, text: str) -> None:
        self.channel = channel
        self.ts = ts
        self.root = root
        self._text = text
        self._taken = text
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._withdrawn = threading.Event()
        self.ended: Ended | None = None

    def take(self) -> str:
        """The text to answer now."""
        with self._lock:
            self._taken = self._text
            return self._taken

    @property
    def interrupted(self) -> bool:
        """Whether to leave off: it was edited, stopped or deleted since it was taken."""
        return self._stopped.is_set() or self.edited

    @property
    def edited(self) -> bool:
        with self._lock:
            return self._text != self._taken

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    @property
    def withdrawn(self) -> bool:
        return self._withdrawn.is_set()

    def edit(self, text: str) -> None:
        with self._lock:
            self._text = text

    def stop(self) -> None:
        self._stopped.set()

    def withdraw(self) -> None:
        self._withdrawn.set()
        self._stopped.set()

    def end(self, messages: tuple[str, ...]) -> None:
        """It is answered, in these messages."""
        self.ended = Ended(at=time.time(), messages=messages)


class Asking:
    """All questions that this process is answering."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Asked] = {}
        self._ended: OrderedDict[tuple[str, str], Ended] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def begin(self, *, channel: str, ts: str, root: str, text: str) -> Iterator[Asked]:
        asked = Asked(channel, ts, root, text)
        with self._lock:
            self._open[channel, ts] = asked
        try:
            yield asked
        finally:
            with self._lock:
                self._open.pop((channel, ts), None)
                if asked.ended is not None:
                    self._ended[channel, ts] = asked.ended
                while len(self._ended) > REMEMBERED:
                    self._ended.popitem(last=False)

    def count(self) -> int:
        """How many are being answered."""
        with self._lock:
            return len(self._open)

    def about(self, channel: str, ts: str) -> Asked | None:
        """The question that is this message, if it is being answered."""
        with self._lock:
            return self._open.get((channel, ts))

    def ended(self, channel: str, ts: str) -> Ended | None:
        """How the question that is this message was answered, if that was not long ago."""
        with self._lock:
            return self._ended.get((channel, ts))

    def in_thread(self, channel: str, root: str) -> list[Asked]:
        with self._lock:
            return [a for a in self._open.values() if (a.channel, a.root) == (channel, root)]
