"""Blind comparisons: begin one, keep its answers, count a vote once, close it, and find the latest."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from lorekeeper.domain import Choice, Compared, Comparison, ComparisonState, Vote
from lorekeeper.errors import NotFound, StaleDecision
from lorekeeper.store.rows import plain, revive
from lorekeeper.tables import compared, comparisons, votes


def begin(
    db: Connection,
    *,
    one: str,
    other: str,
    wanted: int,
    by: str,
    channel: str,
    questions: Sequence[Mapping[str, Any]],
) -> Comparison:
    """Add a comparison with the questions that may be asked: rows of `compared` without answers."""
    row = db.execute(
        insert(comparisons)
        .values(
            one=one,
            other=other,
            wanted=wanted,
            state=ComparisonState.PREPARING.value,
            asked_by=by,
            at=time.time(),
            channel=channel,
        )
        .returning(comparisons)
    )
    made = revive(Comparison, row.mappings().one())
    db.execute(insert(compared), [{"comparison_id": made.id, **about} for about in questions])
    return made


def get(db: Connection, comparison_id: int) -> Comparison:
    """Raises NotFound."""
    query = select(comparisons).where(comparisons.c.id == comparison_id)
    row = db.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no comparison {comparison_id}.", fix="Begin one.")
    return revive(Comparison, row)


def between(db: Connection, one: str, other: str) -> list[Comparison]:
    """Closed comparisons of these two, whichever was named first, newest first."""
    either = or_(
        and_(comparisons.c.one == one, comparisons.c.other == other),
        and_(comparisons.c.one == other, comparisons.c.other == one),
    )
    return _found(db, either, comparisons.c.state == ComparisonState.CLOSED)


def of_adapter(db: Connection, name: str) -> list[Comparison]:
    """Closed comparisons in which it was one of the two, newest first."""
    mine = or_(comparisons.c.one == name, comparisons.c.other == name)
    return _found(db, mine, comparisons.c.state == ComparisonState.CLOSED)


def preparing(db: Connection) -> list[Comparison]:
    """Those whose answers are being made, newest first: the engine holds their adapters meanwhile."""
    return _found(db, comparisons.c.state == ComparisonState.PREPARING)


def in_channel(db: Connection, channel: str) -> Comparison | None:
    """The one that is not over in this channel, if there is one."""
    open_ = comparisons.c.state.in_([ComparisonState.PREPARING, ComparisonState.OPEN])
    return next(iter(_found(db, comparisons.c.channel == channel, open_)), None)


def move(
    db: Connection, comparison_id: int, *, was: ComparisonState, to: ComparisonState, **values: Any
) -> Comparison | None:
    """Move it, unless somebody did first."""
    found = update(comparisons).where(
        comparisons.c.id == comparison_id, comparisons.c.state == was.value
    )
    changed = found.values(state=to.value, **values).returning(comparisons)
    row = db.execute(changed).mappings().one_or_none()
    return revive(Comparison, row) if row is not None else None


def posted(db: Connection, comparison_id: int, message_ts: str) -> None:
    db.execute(
        update(comparisons).where(comparisons.c.id == comparison_id).values(message_ts=message_ts)
    )


def judged(db: Connection, comparison_id: int, what: Mapping[str, Any]) -> None:
    """Keep what the judge model said."""
    row = update(comparisons).where(comparisons.c.id == comparison_id)
    db.execute(row.values(judged=plain(what)))


def questions(db: Connection, comparison_id: int) -> list[Compared]:
    """All of its questions, in their order."""
    query = (
        select(compared).where(compared.c.comparison_id == comparison_id).order_by(compared.c.id)
    )
    return [revive(Compared, row) for row in db.execute(query).mappings()]


def question(db: Connection, compared_id: int) -> Compared:
    """Raises NotFound."""
    row = db.execute(select(compared).where(compared.c.id == compared_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no question {compared_id} to vote on.", fix="It was taken back.")
    return revive(Compared, row)


def answered(db: Connection, compared_id: int, *, one: str, other: str, is_swapped: bool) -> None:
    """Keep both answers; two empty ones where there is nothing to compare."""
    row = update(compared).where(compared.c.id == compared_id)
    db.execute(row.values(one_answer=one, other_answer=other, is_swapped=is_swapped))


def shown(db: Connection, compared_id: int, message_ts: str) -> None:
    row = update(compared).where(compared.c.id == compared_id)
    db.execute(row.values(message_ts=message_ts))


def vote(db: Connection, compared_id: int, *, by: str, choice: Choice) -> None:
    """Count this person's choice; a second one takes the place of the first.

    Raises:
        NotFound: there is no such question.
        StaleDecision: the comparison is closed.
    """
    about = get(db, question(db, compared_id).comparison_id)
    # Held until the end, so that who closes it counts this vote or refuses it.
    still = move(db, about.id, was=ComparisonState.OPEN, to=ComparisonState.OPEN)
    if still is None:
        raise StaleDecision("This comparison is closed.", fix="Your earlier vote counts.")
    db.execute(delete(votes).where(votes.c.compared_id == compared_id, votes.c.by == by))
    row = {"compared_id": compared_id, "by": by, "choice": choice.value, "at": time.time()}
    db.execute(insert(votes).values(row))


def votes_of(db: Connection, comparison_id: int) -> list[Vote]:
    query = (
        select(votes)
        .join(compared, compared.c.id == votes.c.compared_id)
        .where(compared.c.comparison_id == comparison_id)
        .order_by(votes.c.compared_id, votes.c.by)
    )
    return [revive(Vote, row) for row in db.execute(query).mappings()]


def forget_voter(db: Connection, user: str) -> None:
    """Nothing says any more what this person chose."""
    db.execute(delete(votes).where(votes.c.by == user))


def erase(db: Connection, conversation: str) -> None:
    """Nothing is left of the words of a question, nor of the answers to it; votes stay counted."""
    row = update(compared).where(compared.c.conversation == conversation)
    db.execute(row.values(question="(forgotten on request)", one_answer="", other_answer=""))


def _found(db: Connection, *conditions: ColumnElement[bool]) -> list[Comparison]:
    query = select(comparisons).where(*conditions).order_by(comparisons.c.id.desc())
    return [revive(Comparison, row) for row in db.execute(query).mappings()]
