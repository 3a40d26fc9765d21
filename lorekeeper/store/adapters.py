"""Adapters: add one under the next free name, find them."""

from __future__ import annotations

import time

from sqlalchemy import ColumnElement, Connection, func, insert, select

from lorekeeper.domain import Adapter, AdapterKind, Evaluation, Verdict
from lorekeeper.errors import NotFound
from lorekeeper.store.rows import plain, revive
from lorekeeper.tables import adapters


def add(
    db: Connection,
    *,
    run_id: int,
    dataset_id: int,
    base_model: str,
    hash: str,
    folder: str,
    rank: int,
    evaluation: Evaluation,
    verdict: Verdict,
    kind: AdapterKind = AdapterKind.ADAPTER,
) -> Adapter:
    """Record a trained adapter, or a whole model (of rank 0); it is called v1, v2, … in the order they were made."""
    number = (db.scalar(select(func.max(adapters.c.id))) or 0) + 1
    row = db.execute(
        insert(adapters)
        .values(
            name=f"v{number}",
            run_id=run_id,
            dataset_id=dataset_id,
            base_model=base_model,
            hash=hash,
            folder=folder,
            kind=kind,
            rank=rank,
            evaluation=plain(evaluation),
            verdict=plain(verdict),
            created_at=time.time(),
        )
        .returning(adapters)
    )
    return revive(Adapter, row.mappings().one())


def get(db: Connection, adapter_id: int) -> Adapter:
    """Raises NotFound."""
    found = _one(db, adapters.c.id == adapter_id)
    if found is None:
        raise NotFound(f"There is no adapter {adapter_id}.", fix="`lore adapters` lists them.")
    return found


def by_name(db: Connection, name: str) -> Adapter:
    """Raises NotFound."""
    found = _one(db, adapters.c.name == name)
    if found is None:
        raise NotFound(f"There is no adapter {name!r}.", fix="`lore adapters` lists them.")
    return found


def of_run(db: Connection, run_id: int) -> Adapter | None:
    """The adapter that a run has made, if it has."""
    return _one(db, adapters.c.run_id == run_id)


def all(db: Connection) -> list[Adapter]:
    """Every adapter, oldest first."""
    found = db.execute(select(adapters).order_by(adapters.c.id))
    return [revive(Adapter, row) for row in found.mappings()]


def _one(db: Connection, condition: ColumnElement[bool]) -> Adapter | None:
    row = db.execute(select(adapters).where(condition)).mappings().one_or_none()
    return revive(Adapter, row) if row is not None else None
