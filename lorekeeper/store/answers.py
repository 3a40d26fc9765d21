"""Answers: what a person was told, where it came from, and where it was posted."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select, update

from lorekeeper.domain import Answer
from lorekeeper.errors import NotFound
from lorekeeper.store.rows import plain, revive
from lorekeeper.tables import answers


def add(db: Connection, answer: Answer) -> Answer:
    """Store an answer under its own id."""
    db.execute(insert(answers), plain(answer))
    return answer


def get(db: Connection, answer_id: str) -> Answer:
    """Raises NotFound."""
    row = db.execute(select(answers).where(answers.c.id == answer_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no answer {answer_id}.", fix="Ask the question again.")
    return revive(Answer, row)


def posted(
    db: Connection, answer_id: str, *, channel: str, thread_ts: str | None, message_ts: str
) -> Answer:
    """Say which Slack message shows the answer.

    Raises:
        NotFound: there is no such answer.
    """
    where = {"channel": channel, "thread_ts": thread_ts, "message_ts": message_ts}
    db.execute(update(answers).where(answers.c.id == answer_id).values(where))
    return get(db, answer_id)


def by_message(db: Connection, channel: str, message_ts: str) -> Answer | None:
    """The newest answer that this Slack message shows, if it shows one."""
    found = db.execute(
        select(answers)
        .where(answers.c.channel == channel, answers.c.message_ts == message_ts)
        .order_by(answers.c.at.desc())
        .limit(1)
    )
    row = found.mappings().one_or_none()
    return revive(Answer, row) if row is not None else None


def asked_since(db: Connection, at: float) -> list[Answer]:
    """What was asked since then, newest first."""
    found = db.execute(select(answers).where(answers.c.at >= at).order_by(answers.c.at.desc()))
    return [revive(Answer, row) for row in found.mappings()]


def first_at(db: Connection) -> float | None:
    """When the first question was asked, if one was."""
    first: float | None = db.scalar(select(func.min(answers.c.at)))
    return first


def drop(db: Connection, answer_id: str) -> None:
    """Nobody asked this: it was made to be compared."""
    db.execute(delete(answers).where(answers.c.id == answer_id))


def forget_asker(db: Connection, user: str) -> None:
    """Keep the answers, but neither who asked nor in what words."""
    asked = update(answers).where(answers.c.asker == user)
    db.execute(asked.values(asker="", question="(forgotten on request)"))
