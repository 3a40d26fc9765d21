"""Envelopes for an app in; sent by Socket Mode or signed HTTP, sent again until acknowledged; the app's answer out."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

from bot.playground.clocks import Alarms, Clock
from bot.playground.records import App, Json

ACK_SECONDS = 3.0
RETRY_DELAYS = (0.0, 60.0, 300.0)
"""Slack's: at once, after about a minute, after about five."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one attempt. `reason`: Slack's word for a failure, or None."""

    reason: str | None = None
    body: Json = field(default_factory=dict)
    """The app's answer, empty for a plain ack."""
    no_retry: bool = False


class Transport(Protocol):
    def send(
        self, app: App, kind: str, payload: Json, *, retry: int, reason: str | None
    ) -> Future[Outcome]:
        """`kind`: events_api, interactive or slash_commands. Never raises, never blocks."""


@dataclass(slots=True, kw_only=True)
class Delivered:
    """One event and its attempts' results so far."""

    app: App
    envelope: Json
    attempts: list[str] = field(default_factory=list)
    """ok, or the reason why not."""
    acked: bool = False


class Delivery:
    """Sends to each app by HTTP where it has a request URL, otherwise by its sockets."""

    def __init__(self, sockets: Transport, http: Transport, alarms: Alarms) -> None:
        self.ack_seconds = ACK_SECONDS
        self.retry_delays: tuple[float, ...] = RETRY_DELAYS
        self.sent: dict[str, Delivered] = {}
        """By event_id."""
        self._sockets = sockets
        self._http = http
        self._alarms = alarms
        self._changed = threading.Condition()

    def event(self, app: App, envelope: Json) -> None:
        """Send an event now, and again while it isn't acknowledged."""
        delivered = Delivered(app=app, envelope=envelope)
        self.sent[envelope["event_id"]] = delivered
        self._attempt(delivered, retry=0, reason=None)

    def resend(self, event_id: str, reason: str = "timeout") -> None:
        """Send an event once more at once, as Slack does when an ack was lost."""
        delivered = self.sent[event_id]
        self._attempt(delivered, retry=max(1, len(delivered.attempts)), reason=reason, last=True)

    def ask(self, app: App, kind: str, payload: Json) -> Outcome:
        """Send an interaction or a command and wait for its acknowledgement. It's sent once."""
        return self._begin(app, kind, payload, retry=0, reason=None).result()

    def wait_for(self, condition: Callable[[], bool], timeout: float = 10.0) -> bool:
        """Until `condition` holds, looked at after every attempt."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def wait_for_ack(self, event_id: str, timeout: float = 10.0) -> bool:
        return self.wait_for(lambda: self.sent[event_id].acked, timeout)

    def wait_until_quiet(self, timeout: float = 10.0) -> bool:
        """Until every event sent so far is acknowledged, or out of attempts for now."""
        return self.wait_for(
            lambda: all(d.acked or d.attempts for d in list(self.sent.values())), timeout
        )

    def _attempt(
        self, delivered: Delivered, *, retry: int, reason: str | None, last: bool = False
    ) -> None:
        future = self._begin(
            delivered.app, "events_api", delivered.envelope, retry=retry, reason=reason
        )

        def finished(done: Future[Outcome]) -> None:
            outcome = done.result()
            with self._changed:
                delivered.attempts.append(outcome.reason or "ok")
                delivered.acked = delivered.acked or outcome.reason is None
                self._changed.notify_all()
            if outcome.reason is None or outcome.no_retry or last or delivered.acked:
                return
            if retry < len(self.retry_delays):
                self._alarms.after(
                    self.retry_delays[retry],
                    lambda: self._attempt(delivered, retry=retry + 1, reason=outcome.reason),
                )

        future.add_done_callback(finished)

    def _begin(
        self, app: App, kind: str, payload: Json, *, retry: int, reason: str | None
    ) -> Future[Outcome]:
        by_http = app.events_url if kind == "events_api" else app.interactivity_url
        transport = self._http if by_http else self._sockets
        future = transport.send(app, kind, payload, retry=retry, reason=reason)
        self._alarms.after(self.ack_seconds, lambda: settle(future, Outcome(reason="http_timeout")))
        return future


def settle(future: Future[Outcome], outcome: Outcome) -> None:
    """Set the result unless somebody was first."""
    with _settling:
        if not future.done():
            future.set_result(outcome)


_settling = threading.RLock()


def signed_headers(secret: str, body: bytes, clock: Clock) -> dict[str, str]:
    """Slack's v0 signature over the raw body."""
    timestamp = str(int(clock.now()))
    base = b"v0:" + timestamp.encode() + b":" + body
    digest = hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}"}


def as_request(kind: str, payload: Json) -> tuple[bytes, str]:
    """Body and content type of an HTTP delivery."""
    if kind == "events_api":
        return json.dumps(payload).encode(), "application/json"
    fields: Mapping[str, Any] = payload
    if kind == "interactive":
        fields = {"payload": json.dumps(payload)}
    return urlencode(fields).encode(), "application/x-www-form-urlencoded"
