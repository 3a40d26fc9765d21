"""People who asked that nothing they write is stored."""

from __future__ import annotations

import time

from sqlalchemy import Connection, delete, insert, select

from lorekeeper.tables import opted_out


def opt_out(db: Connection, user: str) -> bool:
    """Whether that is new."""
    if has_opted_out(db, user):
        return False
    db.execute(insert(opted_out).values(user=user, at=time.time()))
    return True


def opt_in(db: Connection, user: str) -> bool:
    """Whether they had opted out."""
    return bool(db.execute(delete(opted_out).where(opted_out.c.user == user)).rowcount)


def has_opted_out(db: Connection, user: str) -> bool:
    return db.scalar(select(opted_out.c.user).where(opted_out.c.user == user)) is not None


def all_opted_out(db: Connection) -> frozenset[str]:
    return frozenset(db.scalars(select(opted_out.c.user)))
