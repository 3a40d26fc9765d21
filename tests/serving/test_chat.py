"""Whatever ends a question to the engine is told to who asked it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from serving import chat

ASKED = chat.Request(
    url="http://127.0.0.1:9", model="base", messages=[], max_tokens=9, patience=5.0
)
AT_ONCE = 8


def test_what_nobody_expected_is_no_silent_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_url: str) -> None:
        raise RuntimeError("bound to a different event loop")

    monkeypatch.setattr(chat, "_client", broken)
    with pytest.raises(RuntimeError, match="different event loop"):
        list(chat.stream(ASKED))


def test_the_first_questions_of_a_process_share_one_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[asyncio.AbstractEventLoop] = []
    new = asyncio.new_event_loop
    several = threading.Barrier(2)

    def slow() -> asyncio.AbstractEventLoop:
        made.append(new())
        with suppress(threading.BrokenBarrierError):
            several.wait(0.2)  # for as long as another one may come in between
        return made[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", slow)
    chat._the_loop.cache_clear()
    with ThreadPoolExecutor(AT_ONCE) as people:
        loops = list(people.map(lambda _: chat._loop(), range(AT_ONCE)))
    assert loops == made * AT_ONCE
