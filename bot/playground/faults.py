"""A method's name and a fault in; that fault out, once, the next time the method is called."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Either an HTTP `status` (with `retry_after` seconds for 429) or Slack's `error` code.

    `after`: the call is carried out first, and only its answer is lost.
    """

    status: int = 200
    error: str | None = None
    retry_after: int | None = None
    after: bool = False


class Faults:
    def __init__(self) -> None:
        self._waiting: dict[str, list[Fault]] = {}
        self._lock = threading.Lock()
        self._share, self._faults = 0.0, tuple[Fault, ...]()
        self._chance = random.Random(0)  # noqa: S311 - a repeatable draw

    def next(
        self,
        method: str,
        *,
        status: int = 200,
        error: str | None = None,
        retry_after: int | None = None,
        after: bool = False,
        times: int = 1,
    ) -> None:
        """The next `times` calls of `method` fail so. A 429 without `retry_after` says one second."""
        if status == 429 and retry_after is None:
            retry_after = 1
        fault = Fault(status=status, error=error, retry_after=retry_after, after=after)
        with self._lock:
            self._waiting.setdefault(method, []).extend([fault] * times)

    def often(self, share: float, faults: Sequence[Fault], *, seed: int = 0) -> None:
        """From now on this share of all calls, 0 to 1, fails with one of these."""
        with self._lock:
            self._share, self._faults = share, tuple(faults)
            self._chance = random.Random(seed)  # noqa: S311 - a repeatable draw

    def take(self, method: str) -> Fault | None:
        with self._lock:
            waiting = self._waiting.get(method)
            if waiting:
                return waiting.pop(0)
            is_due = self._chance.random() < self._share
            return self._chance.choice(self._faults) if is_due else None

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()
            self._share = 0.0
