"""Which Slack message shows a thing: remembered so that the one message can be edited."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from lorekeeper.tables import cards


def put(db: Connection, subject: str, *, channel: str, ts: str) -> None:
    """Remember the message of `subject`, such as "pair:7"; the newest one counts."""
    place = {"channel": channel, "ts": ts}
    if not db.execute(update(cards).where(cards.c.subject == subject).values(place)).rowcount:
        db.execute(insert(cards).values(subject=subject, **place))


def get(db: Connection, subject: str) -> tuple[str, str] | None:
    """Channel and `ts` of the message, if there is one."""
    found = db.execute(select(cards.c.channel, cards.c.ts).where(cards.c.subject == subject))
    row = found.one_or_none()
    return (row.channel, row.ts) if row is not None else None
