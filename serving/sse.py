"""A blocking iterator of events in; server-sent events, or the last of them, out. It is closed when the reader goes away."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

DONE = "data: [DONE]\n\n"
GONE = 499  # nginx's status for a reader who left; nobody receives it
T = TypeVar("T")
Event = Mapping[str, Any]
Events = Callable[[threading.Event], Generator[Event, None, None]]
"""Gets an event that is set when the reader has gone; its generator is closed then."""


def respond(events: Events) -> StreamingResponse:
    """Stream JSON objects as OpenAI does, `[DONE]` at the end."""
    return StreamingResponse(
        _stream(events), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
    )


async def last(request: Request, events: Events) -> Response:
    """The last of the objects alone, as JSON, once it is there."""
    gone = threading.Event()
    watch = asyncio.create_task(_watch(request, gone))
    made: Event | None = None
    try:
        async with aclosing(run(events, gone)) as running:
            async for event in running:
                made = event
    finally:
        watch.cancel()
    return JSONResponse(made) if made is not None else Response(status_code=GONE)


def encode(event: Event) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"


async def _stream(events: Events) -> AsyncIterator[str]:
    async with aclosing(run(events, threading.Event())) as running:
        async for event in running:
            yield encode(event)
    yield DONE


async def run(
    made: Callable[[threading.Event], Generator[T, None, None]], gone: threading.Event
) -> AsyncGenerator[T, None]:
    """What a generator yields, in a thread of its own: it blocks, and this server must not."""
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue[T | None | BaseException]()
    thread = threading.Thread(target=_pump, args=(made, gone, loop, queue), name="stream")
    thread.start()
    try:
        while (event := await queue.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event
    finally:
        gone.set()


def _pump(
    made: Callable[[threading.Event], Generator[T, None, None]],
    gone: threading.Event,
    loop: asyncio.AbstractEventLoop,
    queue: asyncio.Queue[T | BaseException | None],
) -> None:
    def put(event: T | BaseException | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(queue.put_nowait, event)

    generator = made(gone)
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


async def _watch(request: Request, gone: threading.Event) -> None:
    """Set `gone` when the reader leaves before the end."""
    while (await request.receive())["type"] != "http.disconnect":
        continue
    gone.set()
