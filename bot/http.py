"""A Bolt app in; a server that takes Slack's signed requests, bound where it was asked to be, out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI, Request, Response
from slack_bolt import App
from slack_bolt.adapter.fastapi import SlackRequestHandler

from lorekeeper.errors import NotReachable

STARTING = 10.0  # seconds


@contextmanager
def serving(app: App, *, host: str, port: int) -> Iterator[None]:
    """Serve while the block runs.

    Raises:
        NotReachable: the port cannot be bound.
    """
    config = uvicorn.Config(site(app), host=host, port=port, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="slack-http", daemon=True)
    thread.start()
    _wait_until_it_listens(server, thread, host, port)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def site(app: App) -> FastAPI:
    """`POST /slack/events` takes events, buttons and commands; `GET /healthz` says that it listens."""
    made = FastAPI(openapi_url=None)
    handler = SlackRequestHandler(app)

    async def slack(request: Request) -> Response:
        return await handler.handle(request)

    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    made.add_api_route("/slack/events", slack, methods=["POST"])
    made.add_api_route("/healthz", healthz)
    return made


def _wait_until_it_listens(
    server: uvicorn.Server, thread: threading.Thread, host: str, port: int
) -> None:
    end = time.monotonic() + STARTING
    while not server.started:
        if not thread.is_alive() or time.monotonic() > end:
            raise NotReachable(
                f"The bot cannot listen on {host}:{port}.",
                fix="Choose another LORE_SLACK__PORT, or stop what uses it.",
            )
        time.sleep(0.02)
