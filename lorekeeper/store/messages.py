"""What was said in the channels that the bot is in, redacted: put, find, delete."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import Connection, delete, func, insert, select, update

from lorekeeper.domain import Channel, Message
from lorekeeper.store.rows import plain, revive
from lorekeeper.tables import channels, messages


def put_channel(db: Connection, channel: Channel) -> None:
    """Add a channel, or bring its name and visibility up to date."""
    values = plain(channel)
    del values["id"]
    if not db.execute(update(channels).where(channels.c.id == channel.id).values(values)).rowcount:
        db.execute(insert(channels).values(id=channel.id, **values))


def channel(db: Connection, channel_id: str) -> Channel | None:
    row = db.execute(select(channels).where(channels.c.id == channel_id)).mappings().one_or_none()
    return revive(Channel, row) if row is not None else None


def all_channels(db: Connection) -> list[Channel]:
    found = db.execute(select(channels).order_by(channels.c.name))
    return [revive(Channel, row) for row in found.mappings()]


def put(db: Connection, message: Message) -> None:
    """Add a message, or replace what was stored under its channel and `ts`."""
    values = plain(message) | {"changed_at": time.time()}
    where = (messages.c.channel == message.channel, messages.c.ts == message.ts)
    if not db.execute(update(messages).where(*where).values(values)).rowcount:
        db.execute(insert(messages).values(values))


def get(db: Connection, channel_id: str, ts: str) -> Message | None:
    row = db.execute(select(messages).where(messages.c.channel == channel_id, messages.c.ts == ts))
    found = row.mappings().one_or_none()
    return revive(Message, found) if found is not None else None


def remove(db: Connection, channel_id: str, ts: str) -> bool:
    """Delete a message; whether it was there."""
    gone = db.execute(delete(messages).where(messages.c.channel == channel_id, messages.c.ts == ts))
    return bool(gone.rowcount)


def remove_channel(db: Connection, channel_id: str) -> None:
    """Delete a channel's messages; the channel itself is kept, to be read anew from its beginning."""
    db.execute(delete(messages).where(messages.c.channel == channel_id))
    anew = update(channels).where(channels.c.id == channel_id)
    db.execute(anew.values(backfilled_to=None, backfill_done=False))


def backfilled_to(db: Connection, channel_id: str) -> tuple[str | None, bool]:
    """The oldest `ts` that was read from the channel's history, and whether that was all of it."""
    found = db.execute(
        select(channels.c.backfilled_to, channels.c.backfill_done).where(
            channels.c.id == channel_id
        )
    )
    row = found.one_or_none()
    return (row.backfilled_to, row.backfill_done) if row is not None else (None, False)


def backfilled(db: Connection, channel_id: str, *, to: str | None, done: bool) -> None:
    """Remember how far back the channel's history was read."""
    read = update(channels).where(channels.c.id == channel_id)
    db.execute(read.values(backfilled_to=to, backfill_done=done))


def thread(db: Connection, channel_id: str, root: str) -> list[Message]:
    """The root message and its replies, oldest first."""
    found = db.execute(
        select(messages)
        .where(
            messages.c.channel == channel_id,
            (messages.c.ts == root) | (messages.c.thread_ts == root),
        )
        .order_by(messages.c.ts)
    )
    return [revive(Message, row) for row in found.mappings()]


def before(db: Connection, channel_id: str, ts: str, *, limit: int) -> list[Message]:
    """The channel's messages outside threads that came before `ts`, oldest first."""
    found = db.execute(
        select(messages)
        .where(
            messages.c.channel == channel_id,
            messages.c.ts < ts,
            messages.c.thread_ts.is_(None) | (messages.c.thread_ts == messages.c.ts),
        )
        .order_by(messages.c.ts.desc())
        .limit(limit)
    )
    return [revive(Message, row) for row in reversed(found.mappings().all())]


def every(db: Connection) -> Iterator[Message]:
    """All messages of people, channel by channel, oldest first; apps' messages are left out."""
    found = db.execution_options(yield_per=1000).execute(
        select(messages)
        .where(messages.c.is_bot.is_(False))
        .order_by(messages.c.channel, messages.c.ts)
    )
    for row in found.mappings():
        yield revive(Message, row)


def answered_by_apps(db: Connection) -> set[tuple[str, str]]:
    """Channel and root of every thread that an app wrote in."""
    found = db.execute(
        select(messages.c.channel, messages.c.thread_ts)
        .where(messages.c.is_bot.is_(True), messages.c.thread_ts.is_not(None))
        .distinct()
    )
    return {(channel_id, root) for channel_id, root in found}


def count(db: Connection) -> int:
    return db.scalar(select(func.count()).select_from(messages)) or 0
