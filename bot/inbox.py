"""Stored events in; each worked on by a pool of threads, and given back if this process dies, out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from lorekeeper.leases import holder_name
from lorekeeper.store import events, reading
from lorekeeper.store.events import Event

log = logging.getLogger(__name__)

LOOK = 1.0  # seconds between looks for events that other processes stored or gave back
BEAT = 5.0  # seconds between heartbeats
STALE = 30.0  # seconds of silence after which a worker counts as dead

Work = Callable[[Event], str | None]
"""Does what the event asks for. Returns what went wrong, after the person was told, or None."""


class Inbox:
    """The table of events, and the threads that empty it."""

    def __init__(self, engine: Engine, *, threads: int) -> None:
        self.worker = holder_name()
        self._engine = engine
        self._free = threading.Semaphore(threads)
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="inbox")
        self._bell = threading.Event()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []

    def put(self, event_id: str, payload: Mapping[str, Any], *, lane: str | None = None) -> bool:
        """Store an event before it is acknowledged; False when it is known already."""
        with self._engine.begin() as db:
            is_new = events.put(db, event_id, payload, lane=lane)
        if is_new:
            self.ring()
        return is_new

    def ring(self) -> None:
        """There is something to claim."""
        self._bell.set()

    def start(self, work: Work) -> None:
        """Begin, with what a dead process left."""
        for name, loop in (
            ("inbox", lambda: self._hand_out(work)),
            ("inbox-heart", self._keep_beating),
        ):
            thread = threading.Thread(target=loop, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Claim nothing more, and wait for what is being worked on."""
        self._closing.set()
        self._bell.set()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown(wait=True)

    def _hand_out(self, work: Work) -> None:
        while not self._closing.is_set():
            self._free.acquire()
            event = self._next()
            if event is None:
                self._free.release()
                return
            self._pool.submit(self._do, work, event)

    def _next(self) -> Event | None:
        """Wait for an event and claim it; None when the inbox is closing."""
        while not self._closing.is_set():
            self._bell.clear()
            event = self._claim()
            if event is not None:
                return event
            self._bell.wait(LOOK)
        return None

    def _claim(self) -> Event | None:
        try:
            with reading(self._engine) as db:
                if not events.waiting(db):
                    return None
            with self._engine.begin() as db:
                return events.claim(db, self.worker)
        except OperationalError:
            log.exception("the database does not answer; events wait")
            return None

    def _do(self, work: Work, event: Event) -> None:
        try:
            error = work(event)
        except Exception as unforeseen:
            log.exception("event %s failed", event.id)
            error = repr(unforeseen)
        try:
            with self._engine.begin() as db:
                events.failed(db, event.id, error) if error else events.done(db, event.id)
        finally:
            self._free.release()
            self.ring()

    def _keep_beating(self) -> None:
        while True:
            try:
                with self._engine.begin() as db:
                    events.beat(db, self.worker)
                    events.reap(db, STALE)
                    events.forget_old(db)
            except OperationalError:
                log.exception("the database does not answer; the heart beats on")
            if self._closing.wait(BEAT):
                return
