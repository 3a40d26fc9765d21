"""Thumbs, reasons and corrections: one row for each person and answer, the latest opinion counts."""

from __future__ import annotations

import time

from sqlalchemy import Connection, case, delete, func, insert, select, update

from lorekeeper.domain import Answer, Feedback
from lorekeeper.store.answers import get
from lorekeeper.store.rows import revive
from lorekeeper.tables import answers, feedback


def give(
    db: Connection,
    *,
    answer_id: str,
    by: str,
    helpful: bool,
    reason: str = "",
    pair_id: int | None = None,
) -> Feedback:
    """Record what the person thinks of the answer; a second opinion replaces their first."""
    values = {"helpful": helpful, "reason": reason, "pair_id": pair_id, "at": time.time()}
    theirs = (feedback.c.answer_id == answer_id, feedback.c.by == by)
    changed = db.execute(update(feedback).where(*theirs).values(values).returning(feedback))
    row = changed.mappings().one_or_none()
    if row is None:
        added = insert(feedback).values(answer_id=answer_id, by=by, **values).returning(feedback)
        row = db.execute(added).mappings().one()
    return revive(Feedback, row)


def take_back(db: Connection, answer_id: str, *, by: str) -> bool:
    """Forget the person's thumb; one with words stays. Whether there was one."""
    theirs = (feedback.c.answer_id == answer_id, feedback.c.by == by)
    bare = (feedback.c.reason == "", feedback.c.pair_id.is_(None))
    return bool(db.execute(delete(feedback).where(*theirs, *bare)).rowcount)


def by_pair(db: Connection) -> dict[int, tuple[int, int]]:
    """Thumbs up and down of the answers that cite each pair."""
    found = db.execute(
        select(answers.c.citations, feedback.c.helpful).join_from(feedback, answers)
    ).all()
    thumbs: dict[int, tuple[int, int]] = {}
    for citations, helpful in found:
        for pair_id in {one.get("pair_id") for one in citations} - {None}:
            up, down = thumbs.get(pair_id, (0, 0))
            thumbs[pair_id] = (up + helpful, down + (not helpful))
    return thumbs


def judged(db: Connection) -> list[tuple[Answer, int, int]]:
    """Every answer that has a thumb, with how many are up and how many down, oldest first."""
    up = func.sum(case((feedback.c.helpful, 1), else_=0)).label("up")
    given = select(feedback.c.answer_id, up, func.count().label("given"))
    thumbs = given.group_by(feedback.c.answer_id).subquery()
    found = select(answers, thumbs.c.up, thumbs.c.given).join(
        thumbs, thumbs.c.answer_id == answers.c.id
    )
    rows = db.execute(found.order_by(answers.c.at)).mappings()
    return [(revive(Answer, row), row["up"], row["given"] - row["up"]) for row in rows]


def corrected_since(db: Connection, at: float) -> list[tuple[Answer, Feedback]]:
    """The answers that somebody worded anew since then, newest first."""
    new = select(feedback).where(feedback.c.pair_id.is_not(None), feedback.c.at >= at)
    given = [
        revive(Feedback, row) for row in db.execute(new.order_by(feedback.c.at.desc())).mappings()
    ]
    return [(get(db, one.answer_id), one) for one in given]


def disliked_since(db: Connection, at: float) -> frozenset[str]:
    """Ids of answers with more thumbs down than up."""
    balance = func.sum(case((feedback.c.helpful, 1), else_=-1))
    recent = select(feedback.c.answer_id).where(feedback.c.at >= at).group_by(feedback.c.answer_id)
    return frozenset(db.scalars(recent.having(balance < 0)))


def counts(db: Connection, since: float = 0.0) -> tuple[int, int]:
    """How many thumbs are up, and how many down."""
    given = select(feedback.c.helpful, func.count()).where(feedback.c.at >= since)
    found = db.execute(given.group_by(feedback.c.helpful))
    by_thumb = {bool(helpful): count for helpful, count in found.all()}
    return by_thumb.get(True, 0), by_thumb.get(False, 0)
