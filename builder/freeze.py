"""Approved pairs in, an immutable dataset version out: `train.jsonl`, `heldout.jsonl`, `card.md`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from builder import cards, dataset
from builder.dataset import Row
from builder.split import Split, split
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, DatasetVersion, Pair, PairState
from lorekeeper.errors import BadInput
from lorekeeper.settings import Settings
from lorekeeper.store import datasets, pairs, reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What one set of rows has that another has not, by pair id."""

    added: tuple[Row, ...]
    gone: tuple[Row, ...]
    reworded: tuple[Row, ...]  # as they are now

    def __bool__(self) -> bool:
        return bool(self.added or self.gone or self.reworded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What the next version would hold, and what that changes since the last one."""

    train: int
    heldout: int
    private: int  # approved pairs that may not be trained on
    latest: DatasetVersion | None
    since: Difference
    refusal: str = ""  # why it could not be frozen now; "" where it could


def freeze(engine: Engine, settings: Settings, *, by: str) -> DatasetVersion:
    """Freeze what may be trained on; when nothing changed, the version that exists already.

    Raises:
        BadInput: there is nothing to train on, or nothing that could be held out.
        NoSpace: the disk is full; nothing was recorded.
    """
    approved, made = _next(engine, settings)
    left_out = len(approved) - len(made.train) - len(made.heldout)
    return _record(engine, settings, made, by=by, left_out=left_out)


def preview(engine: Engine, settings: Settings) -> Preview:
    """What `freeze` would do now."""
    with reading(engine) as db:
        latest = datasets.latest(db)
        approved = pairs.in_state(db, PairState.APPROVED)
    before = rows(settings, latest) if latest is not None else []
    usable = trainable(approved, settings.bot.train_on)
    changed = difference(before, [dataset.row_of(pair) for pair in usable])
    refusal, sizes = "", (len(usable), 0)
    try:
        made = _next(engine, settings)[1]
        sizes = len(made.train), len(made.heldout)
    except BadInput as error:
        refusal = str(error)
    return Preview(
        train=sizes[0],
        heldout=sizes[1],
        private=len(approved) - len(usable),
        latest=latest,
        since=changed,
        refusal=refusal,
    )


def since(engine: Engine, settings: Settings, version: DatasetVersion) -> Difference:
    """What changed since a version, in what may be trained on now."""
    with reading(engine) as db:
        approved = pairs.in_state(db, PairState.APPROVED)
    usable = trainable(approved, settings.bot.train_on)
    return difference(rows(settings, version), [dataset.row_of(pair) for pair in usable])


def difference(before: Sequence[Row], after: Sequence[Row]) -> Difference:
    """What changed from one set of rows to another."""
    old, new = ({row.pair_id: row for row in found} for found in (before, after))
    return Difference(
        added=tuple(row for row in after if row.pair_id not in old),
        gone=tuple(row for row in before if row.pair_id not in new),
        reworded=tuple(
            row for row in after if row.pair_id in old and _words(row) != _words(old[row.pair_id])
        ),
    )


def rows(settings: Settings, version: DatasetVersion) -> list[Row]:
    """Both splits of a frozen version, the training split first."""
    folder = ArtifactStore(settings.store.data).open(version.folder)
    return [row for name in dataset.FILES for row in dataset.read(folder, name)]


def trainable(approved: Sequence[Pair], train_on: Sequence[str]) -> list[Pair]:
    """Pairs that everyone may see, and those of private channels whose curator allowed it.

    Weights have no access control: what is trained on can come out for anyone.
    """
    return [pair for pair in approved if pair.scope == PUBLIC or pair.scope in train_on]


def _next(engine: Engine, settings: Settings) -> tuple[list[Pair], Split]:
    """All approved pairs, and the split of those that may be trained on."""
    with reading(engine) as db:
        approved = pairs.in_state(db, PairState.APPROVED)
        known = datasets.sides(db)
    chosen = trainable(approved, settings.bot.train_on)
    if not chosen:
        raise BadInput(
            f"None of the {len(approved)} approved pairs may be trained on.",
            fix="Approve answers in public channels; a private channel's curator may add it to LORE_BOT__TRAIN_ON.",
        )
    train = settings.train
    return approved, split(chosen, share=train.heldout, known=known, by=train.split)


def _words(row: Row) -> tuple[str, str, tuple[str, ...]]:
    return row.question, row.answer, row.also_asked


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
