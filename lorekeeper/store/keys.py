"""Keys of the gateway: add, list and revoke. What is stored is a hash."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from lorekeeper.domain import Key, KeyScope
from lorekeeper.errors import NotFound, StaleDecision
from lorekeeper.store.rows import revive
from lorekeeper.tables import keys


def add(
    db: Connection,
    name: str,
    *,
    key_hash: str,
    scopes: Iterable[KeyScope],
    per_minute: int,
    by: str,
) -> Key:
    """Store a new key.

    Raises:
        StaleDecision: a key of this name is in use.
    """
    values = {
        "name": name,
        "hash": key_hash,
        "scopes": [scope.value for scope in scopes],
        "per_minute": per_minute,
        "created_by": by,
        "created_at": time.time(),
    }
    try:
        with db.begin_nested():
            row = db.execute(insert(keys).values(values).returning(keys)).mappings().one()
    except IntegrityError:
        raise StaleDecision(
            f"There is a key {name} already.",
            fix=f"Choose another name, or end it first: `lore keys revoke {name}`.",
        ) from None
    return revive(Key, row)


def live(db: Connection) -> list[Key]:
    """Those that were not revoked, oldest first."""
    found = db.execute(select(keys).where(keys.c.revoked_at.is_(None)).order_by(keys.c.id))
    return [revive(Key, row) for row in found.mappings()]


def revoke(db: Connection, name: str) -> Key:
    """From now on the key opens nothing.

    Raises:
        NotFound: no key of this name is in use.
    """
    ended = update(keys).where(keys.c.name == name, keys.c.revoked_at.is_(None))
    row = db.execute(ended.values(revoked_at=time.time()).returning(keys)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no key {name}.", fix="`lore keys list` shows them.")
    return revive(Key, row)
