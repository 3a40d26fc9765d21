"""Dataset versions: add one with the pairs in it, find them, and say which side a pair was on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from lorekeeper.domain import DatasetVersion, Pair, PairState
from lorekeeper.errors import NotFound, StaleDecision
from lorekeeper.store.rows import revive
from lorekeeper.tables import dataset_pairs, datasets, pairs

TRAIN = "train"
HELDOUT = "heldout"


def add(
    db: Connection,
    *,
    hash: str,
    folder: str,
    train: Iterable[int],
    heldout: Iterable[int],
    created_by: str,
) -> DatasetVersion:
    """Record a frozen folder with the ids of its pairs; the version that has this content already, if any.

    Raises:
        StaleDecision: another process froze at the same moment.
    """
    there = by_hash(db, hash)
    if there is not None:
        return there
    sides = {TRAIN: list(train), HELDOUT: list(heldout)}
    try:
        with db.begin_nested():
            version = _insert(db, hash, folder, sides, created_by)
            db.execute(
                insert(dataset_pairs),
                [
                    {"dataset_id": version.id, "pair_id": pair_id, "split": split}
                    for split, ids in sides.items()
                    for pair_id in ids
                ],
            )
    except IntegrityError as error:
        raise StaleDecision(
            "Another process froze a dataset at the same moment.", fix="Try again."
        ) from error
    return version


def get(db: Connection, dataset_id: int) -> DatasetVersion:
    """Raises NotFound."""
    found = _one(db, datasets.c.id == dataset_id)
    if found is None:
        raise NotFound(
            f"There is no dataset version {dataset_id}.", fix="`lore dataset list` shows them."
        )
    return found


def by_name(db: Connection, name: str) -> DatasetVersion:
    """Raises NotFound."""
    found = _one(db, datasets.c.name == name)
    if found is None:
        raise NotFound(
            f"There is no dataset version {name!r}.", fix="`lore dataset list` shows them."
        )
    return found


def by_hash(db: Connection, hash: str) -> DatasetVersion | None:
    return _one(db, datasets.c.hash == hash)


def latest(db: Connection) -> DatasetVersion | None:
    row = db.execute(select(datasets).order_by(datasets.c.id.desc()).limit(1)).mappings()
    found = row.one_or_none()
    return revive(DatasetVersion, found) if found is not None else None


def all(db: Connection) -> list[DatasetVersion]:
    """Every version, oldest first."""
    found = db.execute(select(datasets).order_by(datasets.c.id))
    return [revive(DatasetVersion, row) for row in found.mappings()]


def holding(db: Connection, pair_ids: Sequence[int]) -> list[DatasetVersion]:
    """Versions that hold one of these pairs, oldest first."""
    with_them = select(dataset_pairs.c.dataset_id).where(dataset_pairs.c.pair_id.in_(pair_ids))
    found = db.execute(select(datasets).where(datasets.c.id.in_(with_them)).order_by(datasets.c.id))
    return [revive(DatasetVersion, row) for row in found.mappings()]


def withdrawn(db: Connection, dataset_id: int) -> list[Pair]:
    """Pairs of a version that are not approved any more, by id."""
    found = db.execute(
        select(pairs)
        .join(dataset_pairs, dataset_pairs.c.pair_id == pairs.c.id)
        .where(dataset_pairs.c.dataset_id == dataset_id, pairs.c.state != PairState.APPROVED)
        .order_by(pairs.c.id)
    )
    return [revive(Pair, row) for row in found.mappings()]


def sides(db: Connection) -> dict[str, str]:
    """Conversation to the split that it was in, over all versions; held out once counts as held out."""
    found = db.execute(
        select(pairs.c.conversation, dataset_pairs.c.split)
        .join(dataset_pairs, dataset_pairs.c.pair_id == pairs.c.id)
        .distinct()
    )
    known: dict[str, str] = {}
    for conversation, split in found:
        if split == HELDOUT or conversation not in known:
            known[conversation] = split
    return known


def _insert(
    db: Connection, hash: str, folder: str, sides: dict[str, list[int]], created_by: str
) -> DatasetVersion:
    number = (db.scalar(select(func.max(datasets.c.id))) or 0) + 1
    row = db.execute(
        insert(datasets)
        .values(
            name=f"d{number}",
            hash=hash,
            folder=folder,
            train=len(sides[TRAIN]),
            heldout=len(sides[HELDOUT]),
            created_by=created_by,
            created_at=time.time(),
        )
        .returning(datasets)
    )
    return revive(DatasetVersion, row.mappings().one())


def _one(db: Connection, condition: ColumnElement[bool]) -> DatasetVersion | None:
    row = db.execute(select(datasets).where(condition)).mappings().one_or_none()
    return revive(DatasetVersion, row) if row is not None else None
