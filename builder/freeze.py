"""Approved pairs in, an immutable dataset version out: `train.jsonl`, `heldout.jsonl`, `card.md`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Engine

from builder import cards, dataset
from builder.split import Split, split
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, DatasetVersion, Pair, PairState
from lorekeeper.errors import BadInput
from lorekeeper.settings import Settings
from lorekeeper.store import datasets, pairs, reading


def freeze(engine: Engine, settings: Settings, *, by: str) -> DatasetVersion:
    """Freeze what may be trained on; when nothing changed, the version that exists already.

    Raises:
        BadInput: there is nothing to train on, or nothing that could be held out.
        NoSpace: the disk is full; nothing was recorded.
    """
    with reading(engine) as db:
        approved = pairs.in_state(db, PairState.APPROVED)
        known = datasets.sides(db)
    chosen = trainable(approved, settings.bot.train_on)
    if not chosen:
        raise BadInput(
            f"None of the {len(approved)} approved pairs may be trained on.",
            fix="Approve answers in public channels; a private channel's curator may add it to LORE_BOT__TRAIN_ON.",
        )
    made = split(chosen, share=settings.train.heldout, known=known)
    return _record(engine, settings, made, by=by, left_out=len(approved) - len(chosen))


def trainable(approved: Sequence[Pair], train_on: Sequence[str]) -> list[Pair]:
    """Pairs that everyone may see, and those of private channels whose curator allowed it.

    Weights have no access control: what is trained on can come out for anyone.
    """
    return [pair for pair in approved if pair.scope == PUBLIC or pair.scope in train_on]


def _record(
    engine: Engine, settings: Settings, made: Split, *, by: str, left_out: int
) -> DatasetVersion:
    store = ArtifactStore(settings.store.data)
    with store.write("datasets", {"created_by": by, "private_left_out": left_out}) as draft:
        _fill(draft.path, made)
    with engine.begin() as db:
        return datasets.add(
            db,
            hash=draft.hash,
            folder=draft.folder,
            train=[pair.id for pair in made.train],
            heldout=[pair.id for pair in made.heldout],
            created_by=by,
        )


def _fill(folder: Path, made: Split) -> None:
    """Nothing written here may depend on when or by whom: the content is the version's name."""
    train = [dataset.row_of(pair) for pair in made.train]
    heldout = [dataset.row_of(pair) for pair in made.heldout]
    dataset.write(folder, datasets.TRAIN, train)
    dataset.write(folder, datasets.HELDOUT, heldout)
    (folder / "card.md").write_text(cards.dataset_card(train, heldout), encoding="utf-8")
