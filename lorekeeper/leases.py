"""A name in, the right to be the only one who works under it out, for as long as its heart beats."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from lorekeeper.errors import AlreadyRunning
from lorekeeper.tables import leases

BEAT = 2.0  # seconds between heartbeats
STALE = 15.0  # seconds of silence after which a holder counts as dead


def card() -> str:
    """The lease on this machine's accelerator, which a run and the engine hold by turns."""
    return f"card of {socket.gethostname()}"[:64]


def holder_name() -> str:
    """Who this process is: host, process id, and a random part, for process ids come again."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@contextmanager
def hold(engine: Engine, name: str, *, beat: float = BEAT, stale: float = STALE) -> Iterator[str]:
    """Hold the lease while the block runs; a thread beats its heart.

    Raises:
        AlreadyRunning: a living process holds it; says which.
    """
    holder = holder_name()
    with engine.begin() as db:
        take(db, name, holder, stale=stale)
    stop = threading.Event()
    thread = threading.Thread(
        target=_keep_beating, args=(engine, name, holder, beat, stop), name=f"lease-{name}"
    )
    thread.start()
    try:
        yield holder
    finally:
        stop.set()
        thread.join()
        with engine.begin() as db:
            release(db, name, holder)


def take(db: Connection, name: str, holder: str, *, stale: float = STALE) -> None:
    """Become the holder, if there is none or it has been silent for `stale` seconds."""
    now = time.time()
    expired = update(leases).where(leases.c.name == name, leases.c.heartbeat_at < now - stale)
    if db.execute(expired.values(holder=holder, heartbeat_at=now)).rowcount:
        return
    try:
        with db.begin_nested():
            db.execute(insert(leases).values(name=name, holder=holder, heartbeat_at=now))
    except IntegrityError:
        other = db.scalar(select(leases.c.holder).where(leases.c.name == name))
        raise AlreadyRunning(
            f"`lore {name}` already runs on this database, as {other}.",
            fix=f"Stop that one first. If it crashed, wait {stale:.0f} s and try again.",
        ) from None


def beat(db: Connection, name: str, holder: str) -> bool:
    """Say that the holder is alive; whether it still holds the lease."""
    mine = update(leases).where(leases.c.name == name, leases.c.holder == holder)
    return bool(db.execute(mine.values(heartbeat_at=time.time())).rowcount)


def release(db: Connection, name: str, holder: str) -> None:
    db.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))


def holder(db: Connection, name: str, *, stale: float = STALE) -> str | None:
    """Who holds the lease, and lives."""
    living = leases.c.heartbeat_at >= time.time() - stale
    found: str | None = db.scalar(select(leases.c.holder).where(leases.c.name == name, living))
    return found


def _keep_beating(
    engine: Engine, name: str, holder: str, every: float, stop: threading.Event
) -> None:
    while not stop.wait(every):
        with engine.begin() as db:
            beat(db, name, holder)
