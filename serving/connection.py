"""A connection in; the same, closed when the headers of a request do not come to their end in time, out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from serving import wire
from serving.refusals import TooSlow

PATIENCE = 10.0  # seconds


class Bounded(H11Protocol):
    """uvicorn's HTTP/1.1, whose own patience ends with the first byte: the rest might come one a minute.

    `uvicorn.Config(app, http=Bounded)`.
    """

    patience = PATIENCE
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._await_headers()
        else:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.patience, self._refuse)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self) -> None:
        status, told = wire.refused(
            TooSlow(
                f"The request's headers did not end within {self.patience:g} s.",
                fix="Send all of them at once.",
            )
        )
        body = json.dumps(told).encode()
        head = (
            f"HTTP/1.1 {status} Request Timeout\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
