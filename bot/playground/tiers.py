"""A method's tier and the time in; nothing, or 429 with the seconds to wait, out."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass, field

from bot.playground.records import Refused

PER_MINUTE = {1: 1, 2: 20, 3: 50, 4: 100}


@dataclass(slots=True, kw_only=True)
class Tiers:
    """Budgets per method and minute, as Slack's tiers; off unless `on`."""

    on: bool = False
    per_minute: dict[str, int] = field(default_factory=dict)
    """Overrides by method name, calls in a minute."""
    posts_per_channel_second: int = 1
    _spent: dict[str, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, method: str, tier: int, channel: str, now: float) -> None:
        """Raises Refused(ratelimited) with status 429 and Retry-After."""
        if not self.on and method not in self.per_minute:
            return
        with self._lock:
            budget = self.per_minute.get(method, PER_MINUTE.get(tier))
            if budget is not None:
                self._take(method, budget, 60.0, now)
            elif method == "chat.postMessage":
                # Bursts are allowed; a minute's worth of one a second is the measure.
                self._take(f"{method} {channel}", self.posts_per_channel_second * 60, 60.0, now)

    def _take(self, what: str, budget: int, window: float, now: float) -> None:
        spent = self._spent.setdefault(what, deque())
        while spent and spent[0] <= now - window:
            spent.popleft()
        if len(spent) >= budget:
            wait = max(1, math.ceil(spent[0] + window - now)) if spent else math.ceil(window)
            raise Refused("ratelimited", status=429, headers={"Retry-After": str(wait)})
        spent.append(now)
