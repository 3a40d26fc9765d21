"""Pairs: add, find, edit, and move from state to state unless someone did first."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, cast, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from lorekeeper.domain import Origin, Pair, PairState
from lorekeeper.errors import NotFound, StaleDecision
from lorekeeper.store import comparisons
from lorekeeper.store.rows import plain, revive
from lorekeeper.tables import pair_history, pair_messages, pairs

LOOKED_UP = 500  # keys in one query; SQLite takes 999 parameters at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How many pairs of one channel and origin are in one state, and when the oldest was captured."""

    state: PairState
    channel: str
    origin: Origin
    count: int
    oldest: float


def add(db: Connection, pair: Pair, *, worded: bool = False) -> Pair:
    """Store a new pair (its `id` is ignored), who captured it, and whether its words are their own.

    Raises:
        StaleDecision: its answering message is stored already, in a pair that was not withdrawn.
    """
    try:
        with db.begin_nested():
            row = db.execute(insert(pairs).values(_values(pair)).returning(pairs)).mappings().one()
    except IntegrityError:
        there = live(db, channel=pair.channel, answer_ts=pair.answer_ts)
        if there is None:
            raise
        raise StaleDecision(
            f"This answer is already saved as pair {there.id} ({there.state}), by <@{there.captured_by}>.",
            fix="Open it in the review queue to change it.",
        ) from None
    added = revive(Pair, row)
    _link(db, [added])
    detail = {"origin": pair.origin.value, "worded": worded}
    _record(db, added.id, pair.captured_by, "captured", detail)
    return added


def add_new(db: Connection, found: Sequence[Pair]) -> list[Pair]:
    """Store those of which no pair was ever stored, in any state: an import brings nothing back that
    people rejected or withdrew, and adds nothing twice."""
    there = _known(db, found)
    values = {
        (pair.channel, pair.answer_ts): _values(pair)
        for pair in found
        if (pair.channel, pair.answer_ts) not in there
    }
    if not values:
        return []
    rows = db.execute(insert(pairs).returning(pairs), list(values.values())).mappings().all()
    added = [revive(Pair, row) for row in rows]
    _link(db, added)
    now = time.time()
    db.execute(
        insert(pair_history),
        [
            {
                "pair_id": pair.id,
                "by": pair.captured_by,
                "what": "captured",
                "detail": {"origin": pair.origin.value},
                "at": now,
            }
            for pair in added
        ],
    )
    return added


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
    """Live pairs whose words come from this message, among others."""
    return [pair for pair in made_of(db, channel=channel, ts=ts) if pair.state != PairState.RETIRED]


def made_of(db: Connection, *, channel: str, ts: str) -> list[Pair]:
    """Pairs in any state whose words come from this message, among others."""
    of_message = select(pair_messages.c.pair_id).where(
        pair_messages.c.channel == channel, pair_messages.c.ts == ts
    )
    return _all(db, pairs.c.id.in_(of_message))


def written_by(db: Connection, user: str) -> list[Pair]:
    """Pairs in any state with words of this person."""
    maybe = cast(pairs.c.authors, Text).contains(json.dumps(user), autoescape=True)
    return [pair for pair in _all(db, maybe) if user in pair.authors]


def changed_since(db: Connection, at: float) -> dict[int, float]:
    """Ids of the pairs that were added or changed at this time or later, each with when that was."""
    found = db.execute(select(pairs.c.id, pairs.c.changed_at).where(pairs.c.changed_at >= at))
    return {row.id: row.changed_at for row in found}


def approved_with(db: Connection, channel: str, said: Sequence[str]) -> list[Pair]:
    """Approved pairs whose words come from any of these messages of a channel."""
    found = dict[int, Pair]()
    for at in range(0, len(said), LOOKED_UP):
        holding = select(pair_messages.c.pair_id).where(
            pair_messages.c.channel == channel,
            pair_messages.c.ts.in_(said[at : at + LOOKED_UP]),
        )
        approved = pairs.c.state == PairState.APPROVED
        found |= {pair.id: pair for pair in _all(db, pairs.c.id.in_(holding), approved)}
    return list(found.values())


def of_ids(db: Connection, ids: Sequence[int]) -> Iterator[Pair]:
    """These pairs, in any state."""
    for at in range(0, len(ids), LOOKED_UP):
        yield from _all(db, pairs.c.id.in_(ids[at : at + LOOKED_UP]))


def in_state(db: Connection, state: PairState) -> list[Pair]:
    """Pairs in a state, oldest first."""
    return _all(db, pairs.c.state == state)


def counts(db: Connection) -> dict[PairState, int]:
    """How many pairs are in each state; states without any count 0."""
    found = db.execute(select(pairs.c.state, func.count()).group_by(pairs.c.state)).all()
    return dict.fromkeys(PairState, 0) | {PairState(state): count for state, count in found}


def waiting(db: Connection, *, limit: int, offset: int = 0) -> list[Pair]:
    """Candidates in the order of review: what people saved, oldest first, then what was mined, surest first."""
    found = db.execute(
        select(pairs)
        .where(pairs.c.state == PairState.CANDIDATE)
        .order_by(func.coalesce(pairs.c.confidence, 2.0).desc(), pairs.c.id)
        .limit(limit)
        .offset(offset)
    )
    return [revive(Pair, row) for row in found.mappings()]


def standing(db: Connection) -> list[Standing]:
    """How many pairs there are by state, channel and origin, and how old the oldest ones are."""
    found = db.execute(
        select(
            pairs.c.state,
            pairs.c.channel,
            pairs.c.origin,
            func.count().label("count"),
            func.min(pairs.c.captured_at).label("oldest"),
        )
        .group_by(pairs.c.state, pairs.c.channel, pairs.c.origin)
        .order_by(func.count().desc())
    )
    return [revive(Standing, row) for row in found.mappings()]


def answerers(db: Connection, channel: str, *, limit: int) -> tuple[str, ...]:
    """Who wrote most of the channel's approved answers, the most diligent first."""
    found = _all(db, pairs.c.channel == channel, pairs.c.state == PairState.APPROVED.value)
    wrote = Counter(pair.authors[-1] for pair in found if pair.authors)
    return tuple(user for user, _ in wrote.most_common(limit))


def tags(db: Connection) -> Counter[str]:
    """How many live pairs carry each tag."""
    found = db.scalars(select(pairs.c.tags).where(pairs.c.state != PairState.RETIRED))
    return Counter(tag for listed in found for tag in listed)


def move(
    db: Connection,
    pair: Pair,
    to: PairState,
    *,
    by: str,
    reason: str | None = None,
    merged_into: int | None = None,
) -> Pair:
    """Move the pair from the state that the caller saw, unless someone moved it first.

    Raises:
        StaleDecision: it is in another state by now, or the move is not a legal one. Says who won.
    """
    if not pair.can_become(to):
        raise StaleDecision(f"Pair {pair.id} is {pair.state}.", fix=f"It cannot become {to}.")
    moved = _write(
        db,
        [pairs.c.id == pair.id, pairs.c.state == pair.state],
        {
            "state": to.value,
            "decided_by": by,
            "decided_at": time.time(),
            "reason": reason,
            "merged_into": merged_into,
        },
    )
    if moved is None:
        now = get(db, pair.id)
        raise StaleDecision(
            f"Pair {pair.id} is already {now.state}, by <@{now.decided_by or now.captured_by}>.",
            fix="Nothing was changed.",
        )
    _record(db, pair.id, by, to.value, {"from": pair.state.value, "reason": reason})
    return moved


def erase(db: Connection, pair: Pair, *, by: str, reason: str) -> Pair:
    """Retire the pair and forget its words and whose they were: in its history, and in the pair that
    it was merged into, too. One that was withdrawn before only loses its words.

    Raises:
        StaleDecision: somebody moved it first.
    """
    if pair.state is not PairState.RETIRED:
        pair = move(db, pair, PairState.RETIRED, by=by, reason=reason)
    if pair.merged_into is not None:
        _unlearn(db, pair.question, pair.merged_into)
    lists: dict[str, Any] = {"also_asked": [], "tags": [], "authors": []}
    texts = {"question": "", "answer": "", "rejected_answer": None}
    erased = _write(db, [pairs.c.id == pair.id], lists | texts)
    assert erased is not None
    _forget_edits(db, pair.id)
    comparisons.erase(db, pair.conversation)
    return erased


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


def was_worded(db: Connection, pair_id: int, *, but_by: str) -> bool:
    """Whether a person chose the pair's words; what `but_by` edited does not count."""
    return any(
        entry["detail"].get("worded") or (entry["what"] == "edited" and entry["by"] != but_by)
        for entry in history(db, pair_id)
    )


def history(db: Connection, pair_id: int) -> Sequence[dict[str, Any]]:
    """Who did what to the pair, oldest first: `by`, `what`, `detail`, `at`."""
    found = db.execute(
        select(pair_history).where(pair_history.c.pair_id == pair_id).order_by(pair_history.c.id)
    )
    return [dict(row) for row in found.mappings()]


def _all(db: Connection, *conditions: Any) -> list[Pair]:
    found = db.execute(select(pairs).where(*conditions).order_by(pairs.c.id))
    return [revive(Pair, row) for row in found.mappings()]


def _unlearn(db: Connection, question: str, merged_into: int) -> None:
    kept = get(db, merged_into)
    wordings = [wording for wording in kept.also_asked if wording != question]
    _write(db, [pairs.c.id == kept.id], {"also_asked": wordings})
    _forget_edits(db, kept.id)


def _forget_edits(db: Connection, pair_id: int) -> None:
    edited = pair_history.c.what == "edited"
    db.execute(
        update(pair_history).where(pair_history.c.pair_id == pair_id, edited).values(detail={})
    )


def _values(pair: Pair) -> dict[str, Any]:
    values: dict[str, Any] = plain(pair) | {"changed_at": time.time()}
    del values["id"]
    values["question_parts"] = list(pair.question_parts) or [ts for ts in [pair.question_ts] if ts]
    values["answer_parts"] = list(pair.answer_parts) or [pair.answer_ts]
    return values


def _link(db: Connection, added: Sequence[Pair]) -> None:
    db.execute(
        insert(pair_messages),
        [
            {"pair_id": pair.id, "channel": pair.channel, "ts": ts}
            for pair in added
            for ts in dict.fromkeys((*pair.question_parts, *pair.answer_parts))
        ],
    )


def _known(db: Connection, found: Sequence[Pair]) -> set[tuple[str, str]]:
    known: set[tuple[str, str]] = set()
    for at in range(0, len(found), LOOKED_UP):
        part = found[at : at + LOOKED_UP]
        rows = db.execute(
            select(pairs.c.channel, pairs.c.answer_ts)
            .where(pairs.c.answer_ts.in_([pair.answer_ts for pair in part]))
            .distinct()
        )
        known |= {(channel, ts) for channel, ts in rows}
    return known


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
