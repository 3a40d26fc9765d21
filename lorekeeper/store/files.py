"""Files and canvases that are shared in the bot's channels, as redacted text: put, find, forget."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import Connection, delete, insert, select, update

from lorekeeper.domain import SharedFile
from lorekeeper.store import messages
from lorekeeper.store.rows import plain, revive
from lorekeeper.tables import files

AS_CHANNEL = "file"
"""What stands in place of a channel where a file is remembered as forgotten."""


def put(db: Connection, file: SharedFile) -> None:
    """Add a file, or replace what was stored of it; a forgotten one stays away."""
    if messages.is_forgotten(db, AS_CHANNEL, file.id):
        return
    values = plain(file) | {"changed_at": time.time()}
    if not db.execute(update(files).where(files.c.id == file.id).values(values)).rowcount:
        db.execute(insert(files).values(values))


def get(db: Connection, file_id: str) -> SharedFile | None:
    row = db.execute(select(files).where(files.c.id == file_id)).mappings().one_or_none()
    return revive(SharedFile, row) if row is not None else None


def every(db: Connection) -> Iterator[SharedFile]:
    """All files, in the order of their ids."""
    found = db.execution_options(yield_per=100).execute(select(files).order_by(files.c.id))
    for row in found.mappings():
        yield revive(SharedFile, row)


def stamps(db: Connection) -> dict[str, tuple[float, list[str]]]:
    """Every file's id, when what is stored of it last changed, and where it is shared."""
    found = db.execute(select(files.c.id, files.c.changed_at, files.c.channels))
    return {row.id: (row.changed_at, row.channels) for row in found}


def written_by(db: Connection, user: str) -> list[str]:
    """Ids of the files that this person brought."""
    return list(db.scalars(select(files.c.id).where(files.c.author == user)))


def remove(db: Connection, file_id: str) -> None:
    """Delete what was stored of a file; it may be stored again."""
    db.execute(delete(files).where(files.c.id == file_id))


def forget(db: Connection, file_id: str) -> None:
    """Delete what was stored of a file, and never store it again."""
    messages.forget(db, AS_CHANNEL, file_id)
    remove(db, file_id)


def unshare(db: Connection, file_id: str, channel: str) -> None:
    """The file is not shared in this channel any more; one that is shared nowhere is deleted."""
    known = get(db, file_id)
    if known is None or channel not in known.channels:
        return
    left = [each for each in known.channels if each != channel]
    if not left:
        remove(db, file_id)
        return
    changed = update(files).where(files.c.id == file_id)
    db.execute(changed.values(channels=left, changed_at=time.time()))


def remove_channel(db: Connection, channel: str) -> None:
    """The bot sees this channel no more: nor does it see what is shared there only."""
    for file_id, shared in db.execute(select(files.c.id, files.c.channels)).all():
        if channel in shared:
            unshare(db, file_id, channel)
