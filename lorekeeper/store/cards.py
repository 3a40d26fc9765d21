"""Which Slack message shows a thing: remembered so that the one message can be edited."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from lorekeeper.tables import cards


def put(db: Connection, subject: str, *, channel: str, ts: str) -> None:
    """Remember the message of `subject`, such as "pair:7"; the newest one counts."""
    place = {"channel": channel, "ts": ts}
    if not db.execute(update(cards).where(cards.c.subject == subject).values(place)).rowcount:
        db.execute(insert(cards).values(subject=subject, **place))


def at(db: Connection, channel: str, ts: str) -> str | None:
    """The subject that this message shows."""
    return db.scalar(select(cards.c.subject).where(cards.c.channel == channel, cards.c.ts == ts))


def drop(db: Connection, subject: str) -> None:
    """Forget the message of `subject`, if there is one."""
    db.execute(delete(cards).where(cards.c.subject == subject))


def get(db: Connection, subject: str) -> tuple[str, str] | None:
    """Channel and `ts` of the message, if there is one."""
    found = db.execute(select(cards.c.channel, cards.c.ts).where(cards.c.subject == subject))
    row = found.one_or_none()
    return (row.channel, row.ts) if row is not None else None


def claim(db: Connection, subject: str) -> bool:
    """Whether nobody shows this subject yet, and the caller is the one to do it; `put` says where."""
    try:
        with db.begin_nested():
            db.execute(insert(cards).values(subject=subject, channel="", ts=""))
    except IntegrityError:
        return False
    return True


def give_up(db: Connection, subject: str) -> None:
    """It could not be shown; the next one may try."""
    db.execute(delete(cards).where(cards.c.subject == subject))
