"""A blocking iterator of events in; server-sent events out, and the iterator closed when the reader goes away."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import Any

from fastapi.responses import StreamingResponse

DONE = "data: [DONE]\n\n"
Event = Mapping[str, Any]


def respond(events: Callable[[threading.Event], Generator[Event, None, None]]) -> StreamingResponse:
    """Stream JSON objects as OpenAI does, `[DONE]` at the end.

    `events` gets an event that is set when the reader has gone; its generator is closed then.
    """
    return StreamingResponse(
        _stream(events), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
    )


def encode(event: Event) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"


async def _stream(
    events: Callable[[threading.Event], Generator[Event, None, None]],
) -> AsyncIterator[str]:
    """The generator runs in a thread of its own: it blocks, and this server must not."""
    gone = threading.Event()
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue[Event | None | BaseException]()
    thread = threading.Thread(target=_pump, args=(events, gone, loop, queue), name="stream")
    thread.start()
    try:
        while (event := await queue.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield encode(event)
        yield DONE
    finally:
        gone.set()


def _pump(
    events: Callable[[threading.Event], Generator[Event, None, None]],
    gone: threading.Event,
    loop: asyncio.AbstractEventLoop,
    queue: asyncio.Queue[Event | BaseException | None],
) -> None:
    def put(event: Event | BaseException | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(queue.put_nowait, event)

    generator = events(gone)
    try:
        for event in generator:
            if gone.is_set():
                break
            put(event)
        put(None)
    except BaseException as error:  # noqa: BLE001 - handed to the request's own door, not swallowed
        put(error)
    finally:
        generator.close()
