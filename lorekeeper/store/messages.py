"""What was said in the channels that the bot is in, redacted: put, find, delete."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import groupby

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from lorekeeper.domain import Channel, Message
from lorekeeper.store.rows import plain, revive
from lorekeeper.tables import channels, forgotten, messages

PAGE = 200  # messages of one query when looking for the next silence
LOOKED_UP = 500  # keys in one query; SQLite takes 999 parameters at least


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
    """Add a message, or replace what was stored under its channel and `ts`; a forgotten one stays away.

    One that is replaced stays pinned or not: an edit says nothing of that, `pin` does.
    """
    if is_forgotten(db, message.channel, message.ts):
        return
    values = plain(message) | {"changed_at": time.time()}
    where = (messages.c.channel == message.channel, messages.c.ts == message.ts)
    kept = {name: value for name, value in values.items() if name != "is_pinned"}
    if not db.execute(update(messages).where(*where).values(kept)).rowcount:
        db.execute(insert(messages).values(values))


def pin(db: Connection, channel_id: str, ts: str, *, is_pinned: bool) -> None:
    """Remember that people pinned a message, or took that back."""
    where = (messages.c.channel == channel_id, messages.c.ts == ts)
    changed = update(messages).where(*where, messages.c.is_pinned.is_not(is_pinned))
    db.execute(changed.values(is_pinned=is_pinned, changed_at=time.time()))


def add_new(db: Connection, said: Sequence[Message]) -> int:
    """Add those messages of one channel that are not stored, and those that are stored as they were
    before an edit, but none that was forgotten; how many that were."""
    fresh = _fresh(db, said)
    if fresh:
        now = time.time()
        db.execute(insert(messages), [plain(message) | {"changed_at": now} for message in fresh])
    return len(fresh)


def get(db: Connection, channel_id: str, ts: str) -> Message | None:
    row = db.execute(select(messages).where(messages.c.channel == channel_id, messages.c.ts == ts))
    found = row.mappings().one_or_none()
    return revive(Message, found) if found is not None else None


def forget(db: Connection, channel_id: str, ts: str) -> bool:
    """Delete a message, and never store it again; whether it was there."""
    if not is_forgotten(db, channel_id, ts):
        db.execute(insert(forgotten).values(channel=channel_id, ts=ts, at=time.time()))
    return _remove(db, channel_id, ts)


def is_forgotten(db: Connection, channel_id: str, ts: str) -> bool:
    """Whether the message was deleted, or somebody asked to forget it."""
    found = select(forgotten.c.ts).where(forgotten.c.channel == channel_id, forgotten.c.ts == ts)
    return db.scalar(found) is not None


def written_by(db: Connection, user: str) -> list[tuple[str, str]]:
    """Channel and `ts` of every message of this person."""
    found = db.execute(select(messages.c.channel, messages.c.ts).where(messages.c.author == user))
    return [(channel_id, ts) for channel_id, ts in found]


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
    """The root message and its replies, oldest first.

    Two queries: of one with an "or" SQLite would read the whole channel.
    """
    first = get(db, channel_id, root)
    found = db.execute(
        select(messages)
        .where(
            messages.c.channel == channel_id,
            messages.c.thread_ts == root,
            messages.c.ts != root,
        )
        .order_by(messages.c.ts)
    )
    replies = [revive(Message, row) for row in found.mappings()]
    return [first, *replies] if first is not None else replies


def flat(db: Connection, channel_id: str) -> Iterator[Message]:
    """What people said in a channel and nobody replied to in a thread, oldest first."""
    alone = messages.c.thread_ts.is_(None) | (messages.c.thread_ts == messages.c.ts)
    return _said(
        db, messages.c.channel == channel_id, alone, messages.c.ts.not_in(_roots(channel_id))
    )


def threads(db: Connection, channel_id: str) -> Iterator[list[Message]]:
    """What people said in the channel's threads, each from its root on, where that is stored."""
    root = func.coalesce(messages.c.thread_ts, messages.c.ts)
    found = db.execution_options(yield_per=1000).execute(
        select(messages)
        .where(
            messages.c.channel == channel_id,
            messages.c.is_bot.is_(False),
            root.in_(_roots(channel_id)),
        )
        .order_by(root, messages.c.ts)
    )
    said = (revive(Message, row) for row in found.mappings())
    for _, together in groupby(said, key=lambda message: message.root):
        yield list(together)


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
    return _said(db)


def answered_by_apps(db: Connection) -> set[tuple[str, str]]:
    """Channel and root of every thread that an app wrote in."""
    found = db.execute(
        select(messages.c.channel, messages.c.thread_ts)
        .where(messages.c.is_bot.is_(True), messages.c.thread_ts.is_not(None))
        .distinct()
    )
    return {(channel_id, root) for channel_id, root in found}


def of_people(db: Connection, channel_id: str) -> list[Message]:
    """All messages of people in one channel, oldest first."""
    return list(_said(db, messages.c.channel == channel_id))


def changed_since(db: Connection, at: float) -> dict[tuple[str, str], tuple[float, str]]:
    """Channel and `ts` of what was added or changed at this time or later; when that was, and its root."""
    root = func.coalesce(messages.c.thread_ts, messages.c.ts).label("root")
    found = db.execute(
        select(messages.c.channel, messages.c.ts, messages.c.changed_at, root).where(
            messages.c.changed_at >= at
        )
    )
    return {(row.channel, row.ts): (row.changed_at, row.root) for row in found}


def forgotten_since(db: Connection, at: float) -> dict[tuple[str, str], float]:
    """Channel and `ts` of what was deleted at this time or later, and when that was."""
    found = db.execute(
        select(forgotten.c.channel, forgotten.c.ts, forgotten.c.at)
        .join(channels, channels.c.id == forgotten.c.channel)  # files stand there, too
        .where(forgotten.c.at >= at)
    )
    return {(row.channel, row.ts): row.at for row in found}


def around(db: Connection, channel_id: str, ts: str, *, pause: float) -> list[Message]:
    """What people said outside threads before and after this moment without so many seconds of silence."""
    before = _outside_threads(db, channel_id, messages.c.ts <= ts, newest=True)
    after = _outside_threads(db, channel_id, messages.c.ts > ts, newest=False)
    earlier = list(_until_silence(before, ts, pause))
    return [*reversed(earlier), *_until_silence(after, ts, pause)]


def in_threads(db: Connection, channel_id: str, roots: Sequence[str]) -> list[Message]:
    """The replies in these threads, apps' among them, oldest first."""
    found = list[Message]()
    for at in range(0, len(roots), LOOKED_UP):
        rows = db.execute(
            select(messages)
            .where(
                messages.c.channel == channel_id,
                messages.c.thread_ts.in_(roots[at : at + LOOKED_UP]),
                messages.c.thread_ts != messages.c.ts,
            )
            .order_by(messages.c.ts)
        )
        found += [revive(Message, row) for row in rows.mappings()]
    return found


def silent_channels(db: Connection) -> set[str]:
    """Channels of which no message is stored."""
    said = select(messages.c.ts).where(messages.c.channel == channels.c.id).exists()
    return set(db.scalars(select(channels.c.id).where(~said)))


def count(db: Connection) -> int:
    return db.scalar(select(func.count()).select_from(messages)) or 0


def _roots(channel_id: str) -> Select[tuple[str]]:
    """The `ts` of every message of the channel that was replied to; Slack marks a root only later."""
    return (
        select(messages.c.thread_ts)
        .where(
            messages.c.channel == channel_id,
            messages.c.thread_ts.is_not(None),
            messages.c.thread_ts != messages.c.ts,
        )
        .distinct()
    )


def _said(db: Connection, *conditions: ColumnElement[bool]) -> Iterator[Message]:
    found = db.execution_options(yield_per=1000).execute(
        select(messages)
        .where(messages.c.is_bot.is_(False), *conditions)
        .order_by(messages.c.channel, messages.c.ts)
    )
    for row in found.mappings():
        yield revive(Message, row)


def _outside_threads(
    db: Connection, channel_id: str, where: ColumnElement[bool], *, newest: bool
) -> Iterator[Message]:
    """Page by page: a search for the next silence rarely needs the second."""
    order, last = (messages.c.ts.desc() if newest else messages.c.ts), where
    while True:
        rows = db.execute(
            select(messages)
            .where(
                messages.c.channel == channel_id,
                messages.c.is_bot.is_(False),
                messages.c.thread_ts.is_(None) | (messages.c.thread_ts == messages.c.ts),
                last,
            )
            .order_by(order)
            .limit(PAGE)
        )
        found = [revive(Message, row) for row in rows.mappings()]
        yield from found
        if len(found) < PAGE:
            return
        last = messages.c.ts < found[-1].ts if newest else messages.c.ts > found[-1].ts


def _until_silence(said: Iterator[Message], ts: str, pause: float) -> Iterator[Message]:
    last = float(ts)
    for message in said:
        if abs(message.at - last) > pause:
            return
        last = message.at
        yield message


def _fresh(db: Connection, said: Sequence[Message]) -> list[Message]:
    """What is older than what is stored is left out; what it replaces is deleted."""
    by_ts = {message.ts: message for message in said}
    for ts in _kept_away(db, said):
        del by_ts[ts]
    for ts, edited_ts in _stored(db, list(by_ts.values())):
        found = by_ts[ts]
        if (found.edited_ts or "") <= (edited_ts or ""):
            del by_ts[ts]
        else:
            _remove(db, found.channel, ts)
    return list(by_ts.values())


def _remove(db: Connection, channel_id: str, ts: str) -> bool:
    gone = db.execute(delete(messages).where(messages.c.channel == channel_id, messages.c.ts == ts))
    return bool(gone.rowcount)


def _kept_away(db: Connection, said: Sequence[Message]) -> set[str]:
    """The `ts` of those that were forgotten."""
    found: set[str] = set()
    for at in range(0, len(said), LOOKED_UP):
        part = said[at : at + LOOKED_UP]
        found |= set(
            db.scalars(
                select(forgotten.c.ts).where(
                    forgotten.c.channel == part[0].channel,
                    forgotten.c.ts.in_([message.ts for message in part]),
                )
            )
        )
    return found


def _stored(db: Connection, said: Sequence[Message]) -> Iterator[tuple[str, str | None]]:
    for at in range(0, len(said), LOOKED_UP):
        part = said[at : at + LOOKED_UP]
        found = db.execute(
            select(messages.c.ts, messages.c.edited_ts).where(
                messages.c.channel == part[0].channel,
                messages.c.ts.in_([message.ts for message in part]),
            )
        ).all()
        yield from ((row.ts, row.edited_ts) for row in found)
