"""A request on its way in; the same, with a bounded body that is here whole and an id, or a refusal in words, out."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable

from fastapi.responses import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.refusals import Refusal, TooLarge, TooSlow

LONGEST = 2 * 1024 * 1024  # bytes; a conversation that fills a large model's window has a tenth
PATIENCE = 20.0  # seconds in which the body must be here
REQUEST_ID = "X-Request-Id"
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)


class Intake:
    """The outermost layer of the gateway (ASGI)."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        refuse: Callable[[Refusal], Response],
        longest: int = LONGEST,
        patience: float = PATIENCE,
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._longest = longest
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            body = await self._body(scope, receive)
        except Refusal as refusal:
            answer = self._refuse(refusal)
            answer.headers["Connection"] = "close"  # the rest of the body is not read
            await answer(scope, receive, sent)
            return
        await self._app(scope, _again(body, receive), sent)

    async def _body(self, scope: Scope, receive: Receive) -> list[Message]:
        """Raises TooLarge or TooSlow."""
        if scope["method"] not in {"POST", "PUT", "PATCH"}:
            return []
        announced = Headers(scope=scope).get("Content-Length", "")
        if announced.isdecimal() and int(announced[:20]) > self._longest:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._patience):
                return await self._read(receive)
        except TimeoutError:
            raise TooSlow(
                f"The request's body did not end within {self._patience:.0f} s.",
                fix="Send all of it at once.",
            ) from None

    async def _read(self, receive: Receive) -> list[Message]:
        read, length = [], 0
        while True:
            message = await receive()
            read.append(message)
            length += len(message.get("body", b""))
            if length > self._longest:
                raise self._too_large()
            if message["type"] != "http.request" or not message.get("more_body"):
                return read

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"The request's body has more than {self._longest} bytes.",
            fix="Send a shorter conversation; pictures and files are not read here.",
        )


def _again(body: list[Message], receive: Receive) -> Receive:
    """What was read already, and then whatever comes: the message that the caller has gone."""
    left = iter(body)

    async def messages() -> Message:
        return next(left, None) or await receive()

    return messages
