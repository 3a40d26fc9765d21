"""Events as they happen in; server-sent events, or the last of them, out. They end when the reader goes away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

DONE = "data: [DONE]\n\n"
GONE = 499  # nginx's status for a reader who left; nobody receives it
Event = Mapping[str, Any]
Events = AsyncGenerator[Event, None]
"""Is closed, in the middle of whatever it waits for, when the reader has gone."""


def respond(events: Events) -> StreamingResponse:
    """Stream JSON objects as OpenAI does, `[DONE]` at the end."""
    return StreamingResponse(
        _stream(events), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
    )


async def last(request: Request, events: Events) -> Response:
    """The last of the objects alone, as JSON, once it is there."""
    making = asyncio.ensure_future(_last(events))
    watch = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((making, watch), return_when=asyncio.FIRST_COMPLETED)
        return JSONResponse(making.result()) if making.done() else Response(status_code=GONE)
    finally:
        watch.cancel()
        making.cancel()


def encode(event: Event) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"


async def _stream(events: Events) -> AsyncIterator[str]:
    async with aclosing(events):
        async for event in events:
            yield encode(event)
    yield DONE


async def _last(events: Events) -> Event:
    made: Event = {}
    async with aclosing(events):
        async for event in events:
            made = event
    return made


async def _gone(request: Request) -> None:
    """Until the reader leaves."""
    while (await request.receive())["type"] != "http.disconnect":
        continue
