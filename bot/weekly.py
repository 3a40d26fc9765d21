"""What a week's questions came to in; one message a week that shows where the team's knowledge has gaps, out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bot.blocks import weekly as shown
from bot.desk import Desk
from lorekeeper.domain import PUBLIC, Answer, Channel, Level
from lorekeeper.similar import alike_groups
from lorekeeper.store import answers, cards, feedback, messages, reading

SUBJECT = "weekly"
WEEK = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """What may be told to those who read in one channel."""

    asked: int  # every question, wherever it was asked
    helped: int  # with a cited answer
    gaps: tuple[tuple[Answer, ...], ...]  # open questions that went unanswered, grouped by likeness
    often: tuple[tuple[Answer, ...], ...]  # open questions that were answered more than once
    corrected: tuple[Answer, ...]
    thumbs: tuple[int, int]


def look(desk: Desk, *, now: float | None = None) -> None:
    """Post the digest in the review channel when a week has passed since the last one, or since the first question."""
    channel = desk.settings.bot.review_channel
    if not channel or not desk.settings.bot.weekly_digest:
        return
    now = time.time() if now is None else now
    with reading(desk.engine) as db:
        last = cards.get(db, SUBJECT)
        since = float(last[1]) if last is not None else answers.first_at(db)
        if since is None or now - since < WEEK:
            return
        week = of(db, channel, since)
    if not week.asked:
        return
    sent = desk.client.chat_postMessage(
        channel=channel,
        text=f"{week.asked} questions were asked this week.",
        blocks=shown.digest(week, desk.me.url),
    )
    with desk.engine.begin() as db:
        cards.put(db, SUBJECT, channel=sent["channel"], ts=sent["ts"])


def of(db: Connection, channel: str, since: float) -> Week:
    """Words are shown of questions that were asked openly, where everyone who reads in `channel` could
    have read them; all others are only counted."""
    channels = {one.id: one for one in messages.all_channels(db)}
    every = answers.asked_since(db, since)
    disliked = feedback.disliked_since(db, since)
    helped = {a.id for a in every if _helped(a) and a.id not in disliked}
    readable = [answer for answer in every if is_readable(answer, channels, channel)]
    ids = {answer.id for answer in readable}
    thumbs = feedback.counts(db, since)
    return Week(
        asked=len(every),
        helped=len(helped),
        gaps=_grouped([a for a in readable if a.id not in helped]),
        often=tuple(
            group for group in _grouped([a for a in readable if a.id in helped]) if len(group) > 1
        ),
        corrected=tuple(
            answer for answer, _ in feedback.corrected_since(db, since) if answer.id in ids
        ),
        thumbs=thumbs,
    )


def is_readable(answer: Answer, channels: dict[str, Channel], channel: str) -> bool:
    """Whether it was asked openly, and everyone who reads in `channel` could have read it."""
    where = channels.get(answer.channel)
    if where is None or where.is_direct or answer.thread_ts is None:
        return False
    may_read = where.scope in {PUBLIC, channel}
    return may_read and set(answer.scopes) <= {PUBLIC, channel}


def _helped(answer: Answer) -> bool:
    return answer.level in {Level.TUNED, Level.BASE} and not answer.people


def _grouped(found: Sequence[Answer]) -> tuple[tuple[Answer, ...], ...]:
    """Alike questions together, the most asked first."""
    groups = alike_groups([answer.question for answer in found])
    return tuple(tuple(found[place] for place in group) for group in groups)
