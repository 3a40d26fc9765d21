"""Thumbs, reasons and corrections: one row for each person and answer, the latest opinion counts."""

from __future__ import annotations

import time

from sqlalchemy import Connection, func, insert, select, update

from lorekeeper.domain import Feedback
from lorekeeper.store.rows import revive
from lorekeeper.tables import feedback


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


def counts(db: Connection) -> tuple[int, int]:
    """How many thumbs are up, and how many down."""
    found = db.execute(select(feedback.c.helpful, func.count()).group_by(feedback.c.helpful))
    by_thumb = {bool(helpful): count for helpful, count in found.all()}
    return by_thumb.get(True, 0), by_thumb.get(False, 0)
