"""Requests to the engine in; the same, counted by model while they run, and held off while it is away, out."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager

from serving import chat


class Traffic:
    """The one way to the engine: who changes it knows what runs, and answers know why it is away."""

    def __init__(
        self, speak: Callable[[chat.Request], AsyncGenerator[str, None]] = chat.stream
    ) -> None:
        self._speak = speak
        self._change = threading.Condition()
        self._running = Counter[str]()
        self._away: dict[str, Callable[[], str]] = {}

    async def speak(self, request: chat.Request) -> AsyncGenerator[str, None]:
        """As `serving.chat.stream`.

        Raises:
            EngineFailed: also while the engine is away, with the reason and when it will be back.
        """
        with self.through(request.model):
            async with aclosing(self._speak(request)) as pieces:
                async for piece in pieces:
                    yield piece

    async def relay(self, request: chat.Request) -> AsyncGenerator[chat.Chunk, None]:
        """As `serving.chat.chunks`, under the same condition."""
        with self.through(request.model):
            async with aclosing(chat.chunks(request)) as chunks:
                async for chunk in chunks:
                    yield chunk

    @contextmanager
    def through(self, model: str) -> Iterator[None]:
        """Anything else that the engine must be there for. Raises EngineFailed while it is away."""
        with self._change:
            if why := next(iter(self._away.values()), None):
                raise chat.EngineFailed(why(), fix=chat.AGAIN)
            self._running[model] += 1
        try:
            yield
        finally:
            with self._change:
                self._running[model] -= 1
                self._change.notify_all()

    def count(self, model: str) -> int:
        """Answers that are being written by this model, by the engine's name for it."""
        with self._change:
            return self._running[model]

    def close(self, by: str, why: Callable[[], str]) -> None:
        """From now on, nobody is let through; each is told `why()`. Until all who closed it have opened it."""
        with self._change:
            self._away[by] = why

    def open(self, by: str) -> None:
        with self._change:
            self._away.pop(by, None)

    def wait_until_quiet(self, seconds: float) -> bool:
        """Until nothing runs any more; whether that came within `seconds`."""
        with self._change:
            return self._change.wait_for(lambda: not self._running.total(), seconds)
