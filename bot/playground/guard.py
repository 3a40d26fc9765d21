"""Requests in; those whose Host header names this machine out, all others refused (DNS rebinding)."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost"})


class Guard:
    """Holds for websockets too. The port is not looked at: slack_sdk's websocket leaves it out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = "" if scope["type"] == "lifespan" else Headers(scope=scope).get("host", "")
        if scope["type"] == "lifespan" or host.partition(":")[0] in HOSTS:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4403})
        else:
            refusal = PlainTextResponse("This host is not served here.", status_code=421)
            await refusal(scope, receive, send)
