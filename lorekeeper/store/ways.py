"""How each channel wants to be answered: one row for a channel that chose, the defaults for the others."""

from __future__ import annotations

import time

from sqlalchemy import Connection, delete, insert, select

from lorekeeper.domain import Ways
from lorekeeper.store.rows import plain, revive
from lorekeeper.tables import ways


def of(db: Connection, channel: str) -> Ways:
    row = db.execute(select(ways.c.ways).where(ways.c.channel == channel)).scalar_one_or_none()
    return revive(Ways, row) if row is not None else Ways()


def put(db: Connection, channel: str, chosen: Ways, *, by: str) -> None:
    """From now on."""
    db.execute(delete(ways).where(ways.c.channel == channel))
    row = {"channel": channel, "ways": plain(chosen), "by": by, "at": time.time()}
    db.execute(insert(ways).values(row))


def adapters(db: Connection) -> frozenset[str]:
    """Names of the adapters that channels chose for themselves."""
    chosen = (revive(Ways, row).adapter for row in db.scalars(select(ways.c.ways)))
    return frozenset(name for name in chosen if name)
