"""What Slack sent, kept under its own id until it is worked on: put once, claimed once, never lost."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from lorekeeper.store.rows import revive
from lorekeeper.tables import events

MAX_ATTEMPTS = 3
"""An event whose worker died this often is given up: it is probably what kills them."""

QUESTION = "ask:"

KEPT = (
    7 * 24 * 3600.0
)  # seconds that the id of a finished event is remembered; Slack resends for minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One stored event, claimed by the worker that holds it."""

    id: str
    payload: Mapping[str, Any]
    attempt: int
    lane: str | None = None
    error: str | None = None


def put(
    db: Connection, event_id: str, payload: Mapping[str, Any], *, lane: str | None = None
) -> bool:
    """Store an event; False when its id is known, which means that it was sent again.

    Events of one `lane` are claimed one after the other, in the order they came; those without one
    at any time.
    """
    row = {"id": event_id, "payload": dict(payload), "lane": lane, "received_at": time.time()}
    try:
        with db.begin_nested():
            db.execute(insert(events).values(state="new", attempt=0, **row))
    except IntegrityError:
        return False
    return True


def claim(db: Connection, worker: str) -> Event | None:
    """Take the oldest event whose lane is free, or None."""
    ready = _ready(db)
    if ready is None:
        return None
    taken = db.execute(
        update(events)
        .where(events.c.id == ready, events.c.state == "new")
        .values(
            state="claimed", worker=worker, claimed_at=time.time(), attempt=events.c.attempt + 1
        )
        .returning(events)
    )
    row = taken.mappings().one_or_none()
    return revive(Event, row) if row is not None else None


def waiting(db: Connection) -> bool:
    """Whether there is anything to claim; reads only."""
    return _ready(db) is not None


def amend(
    db: Connection,
    event_id: str,
    payload: Mapping[str, Any] | None,
    *,
    state: Literal["new", "claimed"] = "new",
) -> bool:
    """Change what an event asks for, or with None take it back; False when there is none in this state.

    New tries of it, whose ids begin with its own and a colon, are meant as well. Whoever has claimed an
    event sees the change with `asked`, and nothing if it was taken back.
    """
    mine = update(events).where(_named(event_id), events.c.state == state)
    closed = {"state": "done"} if payload is None and state == "new" else {}
    return bool(db.execute(mine.values(payload=dict(payload or {}), **closed)).rowcount)


def asked(db: Connection, event_id: str) -> Mapping[str, Any] | None:
    """What the claimed event asks for now, which may have been amended; None where none is claimed."""
    found = select(events.c.payload).where(_named(event_id), events.c.state == "claimed")
    payload: Mapping[str, Any] | None = db.scalar(found.order_by(events.c.received_at.desc()))
    return payload


def question_id(channel: str, ts: str) -> str:
    """Under which the question that is this message is put, once, however often Slack tells of it."""
    return f"{QUESTION}{channel}:{ts}"


def questions(db: Connection) -> set[tuple[str, str]]:
    """Channel and `ts` of every question that waits for its answer, or is being answered."""
    is_open = events.c.state.in_(("new", "claimed"))
    found = db.scalars(select(events.c.id).where(is_open, events.c.id.startswith(QUESTION)))
    parts = (name.removeprefix(QUESTION).split(":") for name in found)
    return {(channel, ts) for channel, ts, *_ in parts}


def beat(db: Connection, worker: str) -> None:
    """Say that the worker still works on what it claimed."""
    mine = (events.c.worker == worker, events.c.state == "claimed")
    db.execute(update(events).where(*mine).values(claimed_at=time.time()))


def done(db: Connection, event_id: str) -> None:
    _close(db, event_id, "done", None)


def failed(db: Connection, event_id: str, error: str) -> None:
    """It was tried, the person was told, and it is not tried again."""
    _close(db, event_id, "failed", error)


def reap(db: Connection, stale: float) -> int:
    """Give back what was claimed by a worker that was silent for `stale` seconds; how many."""
    silent = (events.c.state == "claimed", events.c.claimed_at < time.time() - stale)
    hopeless = update(events).where(*silent, events.c.attempt >= MAX_ATTEMPTS)
    db.execute(
        hopeless.values(
            state="failed", payload={}, error="its worker died, every time it was tried"
        )
    )
    back = db.execute(update(events).where(*silent).values(state="new", worker=None))
    return back.rowcount


def forget_old(db: Connection, older_than: float = KEPT) -> None:
    """Drop finished events that Slack cannot send again any more."""
    finished = events.c.state.in_(("done", "failed"))
    db.execute(delete(events).where(finished, events.c.received_at < time.time() - older_than))


def worked_on(db: Connection, ids: Collection[str]) -> int:
    """How many of these events were received and worked on, whatever came of it."""
    over = events.c.state.in_(["done", "failed"])
    found = select(func.count()).where(events.c.id.in_(ids), over)
    return db.scalar(found) or 0


def unfinished(db: Connection) -> int:
    """How many events wait or are being worked on."""
    is_open = events.c.state.in_(("new", "claimed"))
    return db.scalar(select(func.count()).select_from(events).where(is_open)) or 0


def _named(event_id: str) -> ColumnElement[bool]:
    return or_(events.c.id == event_id, events.c.id.startswith(f"{event_id}:", autoescape=True))


def _ready(db: Connection) -> str | None:
    """The oldest new event that nothing of its own lane stands before."""
    earlier = events.alias()
    blocked = exists().where(
        earlier.c.lane == events.c.lane,
        earlier.c.id != events.c.id,
        or_(
            earlier.c.state == "claimed",
            (earlier.c.state == "new")
            & (
                (earlier.c.received_at < events.c.received_at)
                | ((earlier.c.received_at == events.c.received_at) & (earlier.c.id < events.c.id))
            ),
        ),
    )
    oldest = (
        select(events.c.id)
        .where(events.c.state == "new", ~blocked)
        .order_by(events.c.received_at, events.c.id)
        .limit(1)
    )
    return db.scalar(oldest)


def _close(db: Connection, event_id: str, state: str, error: str | None) -> None:
    """What was said stays out of the database unless it was redacted, so the payload goes."""
    closing = update(events).where(events.c.id == event_id)
    db.execute(closing.values(state=state, error=error, payload={}))
