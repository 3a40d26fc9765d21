"""Jobs that read a channel's history because a person asked: begin, go on, cancel, end."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, insert, select, update

from lorekeeper.domain import ImportJob, ImportState
from lorekeeper.store.rows import revive
from lorekeeper.tables import imports

UNDER_WAY = (ImportState.READING, ImportState.MINING)


def begin(db: Connection, channel: str, *, by: str) -> ImportJob:
    """A new job for the channel, or the one that was cancelled or failed, taken up where it stopped."""
    values: dict[str, Any] = {
        "state": ImportState.READING.value,
        "requested_by": by,
        "requested_at": time.time(),
        "error": None,
        "ended_at": None,
    }
    before = get(db, channel)
    if before is None or before.state is ImportState.DONE:
        values |= {"messages": 0, "pairs": 0, "reached": None}
    if not db.execute(update(imports).where(imports.c.channel == channel).values(values)).rowcount:
        db.execute(insert(imports).values(channel=channel, **values))
    begun = get(db, channel)
    assert begun is not None
    return begun


def get(db: Connection, channel: str) -> ImportJob | None:
    row = db.execute(select(imports).where(imports.c.channel == channel)).mappings().one_or_none()
    return revive(ImportJob, row) if row is not None else None


def go_on(db: Connection, channel: str, **changes: Any) -> ImportJob | None:
    """Change a job that nobody ended meanwhile; None where somebody did."""
    row = db.execute(
        update(imports)
        .where(imports.c.channel == channel, imports.c.state.in_(UNDER_WAY))
        .values(changes)
        .returning(imports)
    )
    found = row.mappings().one_or_none()
    return revive(ImportJob, found) if found is not None else None


def end(
    db: Connection, channel: str, state: ImportState, *, error: str | None = None
) -> ImportJob | None:
    """End a job that is under way; None where it was not."""
    return go_on(db, channel, state=state.value, error=error, ended_at=time.time())
