"""Which index is searched, what has changed since it was built, and what may no longer be quoted."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Table, delete, func, insert, select

from lorekeeper.domain import PairState
from lorekeeper.store.rows import revive
from lorekeeper.tables import channels, files, indexes, messages, pairs

AT_ONCE = 1000  # values in one statement; databases have a limit


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIndex:
    """One built index; the newest row is the one that is searched."""

    id: int
    hash: str
    folder: str  # relative to the artifact store
    passages: int
    built_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the sources were when somebody looked: equal stamps mean that nothing has changed."""

    messages: tuple[float, ...]
    pairs: tuple[float, ...]
    files: tuple[float, ...]
    channels: tuple[tuple[str, bool, bool], ...]


def record(db: Connection, *, hash: str, folder: str, passages: int) -> BuiltIndex:
    """Make this the index that is searched."""
    row = db.execute(
        insert(indexes)
        .values(hash=hash, folder=folder, passages=passages, built_at=time.time())
        .returning(indexes)
    ).mappings()
    return revive(BuiltIndex, row.one())


def current(db: Connection) -> BuiltIndex | None:
    found = db.execute(select(indexes).order_by(indexes.c.id.desc()).limit(1)).mappings()
    row = found.one_or_none()
    return revive(BuiltIndex, row) if row is not None else None


def forget_others(db: Connection, keep: BuiltIndex) -> list[str]:
    """Forget all older indexes; gives the folders that no row names any more."""
    older = indexes.c.id < keep.id
    folders = set(db.scalars(select(indexes.c.folder).where(older)))
    db.execute(delete(indexes).where(older))
    return sorted(folders - set(db.scalars(select(indexes.c.folder))))


def stamp(db: Connection) -> Stamp:
    """Look at what an index is made from, without reading the texts."""
    seen = db.execute(
        select(channels.c.id, channels.c.is_private, channels.c.is_direct).order_by(channels.c.id)
    )
    return Stamp(
        messages=_extent(db, messages),
        pairs=_extent(db, pairs),
        files=_extent(db, files),
        channels=tuple((row.id, row.is_private, row.is_direct) for row in seen),
    )


def gone(db: Connection, names: Iterable[str]) -> set[str]:
    """Those of these messages ("CHANNEL/TS") that are stored no longer."""
    return set(names) - _stored(db, names, messages.c.channel, messages.c.ts)


def unapproved(db: Connection, names: Iterable[str]) -> set[str]:
    """Those of these answering messages ("CHANNEL/TS") that no approved pair holds any more."""
    approved = pairs.c.state == PairState.APPROVED
    return set(names) - _stored(db, names, pairs.c.channel, pairs.c.answer_ts, approved)


def unshared(db: Connection, names: Iterable[str]) -> set[str]:
    """Those of these files in channels ("CHANNEL/FILE") that are not shared there any more."""
    wanted = sorted({name.partition("/")[2] for name in names})
    found = set[str]()
    for start in range(0, len(wanted), AT_ONCE):
        some = files.c.id.in_(wanted[start : start + AT_ONCE])
        rows = db.execute(select(files.c.id, files.c.channels).where(some))
        found |= {f"{channel}/{row.id}" for row in rows for channel in row.channels}
    return set(names) - found


def _stored(
    db: Connection,
    names: Iterable[str],
    channel: ColumnElement[str],
    ts: ColumnElement[str],
    *conditions: ColumnElement[bool],
) -> set[str]:
    stamps = sorted({name.partition("/")[2] for name in names})
    found = set[str]()
    for start in range(0, len(stamps), AT_ONCE):
        some = ts.in_(stamps[start : start + AT_ONCE])
        rows = db.execute(select(channel, ts).where(some, *conditions))
        found |= {f"{channel_id}/{at}" for channel_id, at in rows}
    return found


def _extent(db: Connection, table: Table) -> tuple[float, ...]:
    """Count, sum and maximum of the times: a writer that began early and ended late moves the sum."""
    changed = table.c.changed_at
    found = db.execute(select(func.count(), func.sum(changed), func.max(changed))).one()
    return tuple(float(value or 0) for value in found)
