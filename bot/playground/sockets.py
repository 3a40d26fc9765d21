"""Payloads in; Socket Mode envelopes to one of the app's open websockets, and its acks, out."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import uuid
from concurrent.futures import Future
from dataclasses import dataclass, field

from bot.playground.delivery import Outcome, settle
from bot.playground.records import App, Json

MOST_CONNECTIONS = 10


@dataclass(slots=True, kw_only=True, eq=False)
class Connection:
    """One open websocket, seen from any thread."""

    app_id: str
    loop: asyncio.AbstractEventLoop
    outgoing: asyncio.Queue[Json | None] = field(default_factory=asyncio.Queue)

    def put(self, message: Json | None) -> None:
        """None closes the connection."""
        self.loop.call_soon_threadsafe(self.outgoing.put_nowait, message)


class Sockets:
    """The open Socket Mode connections of every app."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._connections: dict[str, list[Connection]] = {}
        self._turns = itertools.count()
        self._waiting: dict[str, Future[Outcome]] = {}
        self._held: dict[str, list[tuple[Future[Outcome], Json]]] = {}

    def send(
        self, app: App, kind: str, payload: Json, *, retry: int, reason: str | None
    ) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        envelope: Json = {
            "envelope_id": str(uuid.uuid4()),
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": retry, "retry_reason": reason or ""}
        with self._lock:
            self._waiting[envelope["envelope_id"]] = future
            future.add_done_callback(lambda _: self._forget(envelope["envelope_id"]))
            open_ones = self._connections.get(app.id, [])
            if open_ones:
                open_ones[next(self._turns) % len(open_ones)].put(envelope)
            else:
                # It waits for a connection as long as for an ack, then counts as failed.
                self._held.setdefault(app.id, []).append((future, envelope))
        return future

    def opened(self, connection: Connection) -> bool:
        """False: there are too many (Slack allows ten for an app)."""
        with self._lock:
            mine = self._connections.setdefault(connection.app_id, [])
            if len(mine) >= MOST_CONNECTIONS:
                return False
            connection.put(self._hello(connection.app_id, len(mine) + 1))
            mine.append(connection)
            for future, envelope in self._held.pop(connection.app_id, []):
                if not future.done():
                    connection.put(envelope)
            self._changed.notify_all()
            return True

    def closed(self, connection: Connection) -> None:
        with self._lock:
            mine = self._connections.get(connection.app_id, [])
            if connection in mine:
                mine.remove(connection)
            self._changed.notify_all()

    def received(self, text: str) -> None:
        """A frame from the app: an ack, perhaps with a payload. Anything else is passed over."""
        try:
            ack = json.loads(text)
        except ValueError:
            return
        if not isinstance(ack, dict):
            return
        with self._lock:
            future = self._waiting.get(str(ack.get("envelope_id")))
        if future is not None:
            payload = ack.get("payload")
            body = payload if isinstance(payload, dict) else {}
            if isinstance(payload, str) and payload:
                body = {"text": payload}
            settle(future, Outcome(body=body))

    def disconnect(self, app: App, reason: str = "refresh_requested") -> None:
        """Tell every connection to go (`warning`: soon; others: now, and it is closed)."""
        with self._lock:
            for connection in list(self._connections.get(app.id, [])):
                connection.put({"type": "disconnect", "reason": reason, "debug_info": {}})
                if reason != "warning":
                    self.closed(connection)
                    connection.put(None)

    def wait_for_connection(self, app: App, timeout: float = 10.0, *, at_least: int = 1) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.count(app) >= at_least, timeout)

    def count(self, app: App) -> int:
        with self._lock:
            return len(self._connections.get(app.id, []))

    def close(self) -> None:
        with self._lock:
            for connections in self._connections.values():
                for connection in list(connections):
                    connection.put(None)

    def _forget(self, envelope_id: str) -> None:
        with self._lock:
            self._waiting.pop(envelope_id, None)

    def _hello(self, app_id: str, number: int) -> Json:
        return {
            "type": "hello",
            "num_connections": number,
            "connection_info": {"app_id": app_id},
            "debug_info": {
                "host": "playground",
                "build_number": 1,
                "approximate_connection_time": 3600,
            },
        }
