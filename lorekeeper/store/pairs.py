"""Pairs: add, find, edit, and move from state to state unless someone did first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from lorekeeper.domain import Pair, PairState
from lorekeeper.errors import NotFound, StaleDecision
from lorekeeper.store.rows import plain, revive
from lorekeeper.tables import pair_history, pairs


def add(db: Connection, pair: Pair) -> Pair:
    """Store a new pair (its `id` is ignored) and who captured it.

    Raises:
        StaleDecision: its answering message is stored already, in a pair that was not withdrawn.
    """
    values = plain(pair) | {"changed_at": time.time()}
    del values["id"]
    try:
        with db.begin_nested():
            row = db.execute(insert(pairs).values(values).returning(pairs)).mappings().one()
    except IntegrityError:
        there = live(db, channel=pair.channel, answer_ts=pair.answer_ts)
        if there is None:
            raise
        raise StaleDecision(
            f"This answer is already saved as pair {there.id} ({there.state}), by <@{there.captured_by}>.",
            fix="Open it in the review queue to change it.",
        ) from None
    _record(db, row["id"], pair.captured_by, "captured", {"origin": pair.origin.value})
    return revive(Pair, row)


def get(db: Connection, pair_id: int) -> Pair:
    """Raises NotFound."""
    row = db.execute(select(pairs).where(pairs.c.id == pair_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no pair {pair_id}.", fix="`/lore dataset` counts what is stored.")
    return revive(Pair, row)


def live(db: Connection, *, channel: str, answer_ts: str) -> Pair | None:
    """The pair whose answer is this message, unless it was withdrawn."""
    found = db.execute(
        select(pairs).where(
            pairs.c.channel == channel,
            pairs.c.answer_ts == answer_ts,
            pairs.c.state != PairState.RETIRED,
        )
    )
    row = found.mappings().one_or_none()
    return revive(Pair, row) if row is not None else None


def about(db: Connection, *, channel: str, ts: str) -> list[Pair]:
    """Live pairs whose question or answer is this message."""
    return _all(
        db,
        pairs.c.channel == channel,
        (pairs.c.answer_ts == ts) | (pairs.c.question_ts == ts),
        pairs.c.state != PairState.RETIRED,
    )


def in_state(db: Connection, state: PairState, *, limit: int | None = None) -> list[Pair]:
    """Pairs in a state, oldest first."""
    return _all(db, pairs.c.state == state, limit=limit)


def counts(db: Connection) -> dict[PairState, int]:
    """How many pairs are in each state; states without any count 0."""
    found = db.execute(select(pairs.c.state, func.count()).group_by(pairs.c.state)).all()
    return dict.fromkeys(PairState, 0) | {PairState(state): count for state, count in found}


def move(db: Connection, pair: Pair, to: PairState, *, by: str, reason: str | None = None) -> Pair:
    """Move the pair from the state that the caller saw, unless someone moved it first.

    Raises:
        StaleDecision: it is in another state by now, or the move is not a legal one. Says who won.
    """
    if not pair.can_become(to):
        raise StaleDecision(f"Pair {pair.id} is {pair.state}.", fix=f"It cannot become {to}.")
    moved = _write(
        db,
        [pairs.c.id == pair.id, pairs.c.state == pair.state],
        {"state": to.value, "decided_by": by, "decided_at": time.time(), "reason": reason},
    )
    if moved is None:
        now = get(db, pair.id)
        raise StaleDecision(
            f"Pair {pair.id} is already {now.state}, by <@{now.decided_by or now.captured_by}>.",
            fix="Nothing was changed.",
        )
    _record(db, pair.id, by, to.value, {"from": pair.state.value, "reason": reason})
    return moved


def edit(db: Connection, pair: Pair, *, by: str, **changes: Any) -> Pair:
    """Change the wording or the tags of a pair that is still as the caller saw it.

    Raises:
        StaleDecision: its state or its wording was changed meanwhile.
    """
    moved = _write(
        db,
        [
            pairs.c.id == pair.id,
            pairs.c.state == pair.state,
            pairs.c.question == pair.question,
            pairs.c.answer == pair.answer,
        ],
        plain(changes),
    )
    if moved is None:
        raise StaleDecision(
            f"Pair {pair.id} was changed by someone else meanwhile.", fix="Open it again."
        )
    before = {name: plain(getattr(pair, name)) for name in changes}
    _record(db, pair.id, by, "edited", {"before": before})
    return moved


def history(db: Connection, pair_id: int) -> Sequence[dict[str, Any]]:
    """Who did what to the pair, oldest first: `by`, `what`, `detail`, `at`."""
    found = db.execute(
        select(pair_history).where(pair_history.c.pair_id == pair_id).order_by(pair_history.c.id)
    )
    return [dict(row) for row in found.mappings()]


def _all(db: Connection, *conditions: Any, limit: int | None = None) -> list[Pair]:
    found = db.execute(select(pairs).where(*conditions).order_by(pairs.c.id).limit(limit))
    return [revive(Pair, row) for row in found.mappings()]


def _write(db: Connection, expected: list[Any], values: dict[str, Any]) -> Pair | None:
    row = db.execute(
        update(pairs).where(*expected).values(**values, changed_at=time.time()).returning(pairs)
    ).mappings()
    found = row.one_or_none()
    return revive(Pair, found) if found is not None else None


def _record(db: Connection, pair_id: int, by: str, what: str, detail: dict[str, Any]) -> None:
    db.execute(
        insert(pair_history).values(
            pair_id=pair_id, by=by, what=what, detail=detail, at=time.time()
        )
    )
