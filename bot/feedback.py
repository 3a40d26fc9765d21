"""A thumb, a reason, a better answer in; Feedback, and from a correction a new candidate, out."""

from __future__ import annotations

from bot import capture, mirror
from bot.blocks.pairs import saved
from bot.desk import Desk, Json
from bot.tell import whisper
from lorekeeper.domain import PUBLIC, Answer, Feedback
from lorekeeper.store import answers, feedback, reading
from lorekeeper.text import normalise

THUMBS = {"+1": True, "thumbsup": True, "-1": False, "thumbsdown": False}


def praise(desk: Desk, answer_id: str, *, by: str) -> Feedback:
    """A thumb up."""
    with desk.engine.begin() as db:
        return feedback.give(db, answer_id=answer_id, by=by, helpful=True)


def blame(desk: Desk, answer_id: str, *, by: str, pressed_on: Json) -> Answer:
    """A thumb down counts at once, whether or not the person says more; the answer, to correct it.

    `pressed_on` is the message with the thumb. A quick person presses it before the bot has noted
    which message it posted; who may see a correction, and whether there is one already, hang on that.
    """
    with desk.engine.begin() as db:
        feedback.give(db, answer_id=answer_id, by=by, helpful=False)
        answer = answers.get(db, answer_id)
        if answer.message_ts is None and not pressed_on.get("is_ephemeral"):
            answer = answers.posted(
                db,
                answer_id,
                channel=pressed_on["channel_id"],
                thread_ts=answer.thread_ts,
                message_ts=pressed_on["message_ts"],
            )
        return answer


def explain(
    desk: Desk, answer_id: str, *, by: str, reason: str, question: str, better: str
) -> Feedback:
    """Why it was wrong; a better answer becomes a candidate that names what it replaces.

    Raises:
        NotAllowed: guests may judge, but not add to what is learned.
        StaleDecision: somebody corrected this answer before.
    """
    with reading(desk.engine) as db:
        answer = answers.get(db, answer_id)
    pair = None
    if better and normalise(better) != normalise(answer.text):
        pair = capture.correct(
            desk,
            question=question or answer.question,
            answer=better,
            instead_of=answer.text,
            by=by,
            channel=answer.channel,
            ts=answer.message_ts or answer.id,
            scope=_scope(desk, answer),
        )
    with desk.engine.begin() as db:
        given = feedback.give(
            db,
            answer_id=answer_id,
            by=by,
            helpful=False,
            reason=reason,
            pair_id=pair.id if pair is not None else None,
        )
    whisper(
        desk,
        channel=answer.channel,
        user=by,
        thread_ts=answer.thread_ts,
        text="Thank you. " + ("Your answer waits for review." if pair else "That was noted."),
        blocks=saved(pair) if pair is not None else None,
    )
    return given


def _scope(desk: Desk, answer: Answer) -> str:
    """Who may see the correction: whoever could see what the corrected answer was made of.

    An answer that only its asker saw may have quoted what is private. Where it did not, its asker
    hands the correction in for everyone: the modal says so.
    """
    where = mirror.describe_or_unknown(desk, answer.channel)
    seen_by_all_there = answer.message_ts is not None and not where.is_direct
    if seen_by_all_there:
        return where.scope
    closed = set(answer.scopes) - {PUBLIC}
    if not closed:
        return PUBLIC
    return closed.pop() if len(closed) == 1 else where.id


def reacted(desk: Desk, *, channel: str, ts: str, by: str, emoji: str) -> None:
    """A thumb as an emoji on an answer counts like the button; anything else, anywhere else, nothing."""
    thumb = THUMBS.get(emoji)
    answer = _answer_at(desk, channel, ts) if thumb is not None else None
    if thumb is not None and answer is not None:
        with desk.engine.begin() as db:
            feedback.give(db, answer_id=answer.id, by=by, helpful=thumb)


def unreacted(desk: Desk, *, channel: str, ts: str, by: str, emoji: str) -> None:
    """The thumb is taken back; a reason or a correction that was given stays."""
    answer = _answer_at(desk, channel, ts) if emoji in THUMBS else None
    if answer is not None:
        with desk.engine.begin() as db:
            feedback.take_back(db, answer.id, by=by)


def _answer_at(desk: Desk, channel: str, ts: str) -> Answer | None:
    with reading(desk.engine) as db:
        return answers.by_message(db, channel, ts)
