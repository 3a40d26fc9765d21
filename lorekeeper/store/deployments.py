"""Deployments: what is served since when, by whose decision. The newest row is current; none is deleted."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from lorekeeper.domain import BASE_NAME, Adapter, AdapterKind, Deployment
from lorekeeper.errors import NotFound
from lorekeeper.store import adapters as adapter_rows
from lorekeeper.store import comparisons, ways
from lorekeeper.store.rows import revive
from lorekeeper.tables import adapters, deployments


def current(db: Connection) -> Deployment | None:
    """The newest deployment; None where nothing was ever deployed, which means the base model."""
    row = db.execute(_named().order_by(deployments.c.id.desc()).limit(1)).mappings().one_or_none()
    return revive(Deployment, row) if row is not None else None


def get(db: Connection, deployment_id: int) -> Deployment:
    """Raises NotFound."""
    row = db.execute(_named().where(deployments.c.id == deployment_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(
            f"There is no deployment {deployment_id}.", fix="`lore adapters` lists what was served."
        )
    return revive(Deployment, row)


def deploy(db: Connection, *, adapter_id: int | None, by: str, why: str) -> Deployment:
    """Decide that this adapter (None: the base model) is served from now on.

    Raises:
        NotFound: there is no such adapter.
    """
    known = select(adapters.c.id).where(adapters.c.id == adapter_id)
    if adapter_id is not None and db.scalar(known) is None:
        raise NotFound(f"There is no adapter {adapter_id}.", fix="`lore adapters` lists them.")
    row = insert(deployments).values(adapter_id=adapter_id, by=by, why=why, at=time.time())
    added = db.execute(row.returning(deployments.c.id)).scalar_one()
    return get(db, added)


def rollback(db: Connection, *, by: str, why: str) -> Deployment:
    """Go back, by one more row, to what was served before the current one.

    Going back twice goes back two steps: a return to what was served before is not a step forward.
    What the engine could not load was never served, so nothing goes back to it.

    Raises:
        NotFound: nothing was served before the current one.
    """
    served = _trail(history(db, limit=None))
    if len(served) < 2:
        raise NotFound(
            "There is nothing to go back to: the base model is served, and nothing was before it.",
            fix="`lore adapters` lists the adapters that can be promoted.",
        )
    return deploy(db, adapter_id=served[-2], by=by, why=why)


def history(db: Connection, limit: int | None = 20) -> list[Deployment]:
    """Deployments, newest first."""
    found = db.execute(_named().order_by(deployments.c.id.desc()).limit(limit))
    return [revive(Deployment, row) for row in found.mappings()]


def to_hold(db: Connection) -> list[Adapter]:
    """Adapters that the engine holds at once: the current one, those that channels chose or that are being
    compared, and the candidate.

    Whole models are none of them: an engine runs one at a time (`whole`).

    The candidate is the newest adapter, as long as nobody has decided about it: people compare it side
    by side with the current one before they do.
    """
    # An engine's keeper asks several times a second: of the others, no evaluation is read.
    named = select(adapters.c.id, adapters.c.name, adapters.c.kind).order_by(adapters.c.id)
    made = db.execute(named).all()
    newest = history(db, limit=None)
    decided = {row.adapter_id for row in newest}
    current = next((row.adapter_id for row in newest if row.error is None), None)
    chosen = ways.adapters(db) | {
        name for one in comparisons.preparing(db) for name in (one.one, one.other)
    }
    return [
        adapter_rows.get(db, row.id)
        for row in made
        if row.kind == AdapterKind.ADAPTER
        and (row.id == current or row.name in chosen or (row is made[-1] and row.id not in decided))
    ]


def served(db: Connection) -> Adapter | None:
    """What was deployed last; None: the base."""
    now = current(db)
    return adapter_rows.get(db, now.adapter_id) if now and now.adapter_id else None


def whole(db: Connection) -> Adapter | None:
    """The whole model that is served in the base's place; None: the base is, with or without an adapter."""
    served = (row for row in history(db, limit=None) if row.error is None)
    newest = next(served, None)
    if newest is None or newest.adapter_id is None:
        return None
    adapter = adapter_rows.get(db, newest.adapter_id)
    return adapter if adapter.kind is AdapterKind.MODEL else None


def loaded(db: Connection, deployment_id: int, *, canary: str = "") -> Deployment:
    """The engine serves this deployment, and what the adapter said to the canary's question."""
    return _mark(db, deployment_id, loaded_at=time.time(), error=None, canary=canary or None)


def failed(db: Connection, deployment_id: int, error: str) -> Deployment:
    """The engine could not load it, and why; what was served before is served on."""
    return _mark(db, deployment_id, error=error)


def _trail(newest_first: list[Deployment]) -> list[int | None]:
    """Adapter ids (None: base) that one can go back along; the last one is current."""
    trail: list[int | None] = [None]  # before the first deployment, the base model is served
    for row in reversed(newest_first):
        is_current = row is newest_first[0]
        if row.error is not None and row.loaded_at is None and not is_current:
            continue
        if row.adapter_id == trail[-1]:
            continue
        if len(trail) > 1 and row.adapter_id == trail[-2]:
            trail.pop()
        else:
            trail.append(row.adapter_id)
    return trail


def _mark(db: Connection, deployment_id: int, **values: Any) -> Deployment:
    db.execute(update(deployments).where(deployments.c.id == deployment_id).values(values))
    return get(db, deployment_id)


def _named() -> Select[Any]:
    """Deployments, each with the name of its adapter."""
    name = func.coalesce(adapters.c.name, BASE_NAME).label("adapter")
    return select(deployments, name).outerjoin(adapters, adapters.c.id == deployments.c.adapter_id)
