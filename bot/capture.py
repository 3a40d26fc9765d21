"""A good answer in Slack in; a candidate pair, stored redacted and shown to its captor, out."""

from __future__ import annotations

import time

from bot import cards, mirror, threads
from bot.access import Right
from bot.blocks import pairs as shown
from bot.blocks.modals import offer_to_word
from bot.desk import Desk
from bot.placeholders import placeholders_of
from bot.tell import whisper
from lorekeeper.domain import PUBLIC, Channel, Message, Origin, Pair, PairState
from lorekeeper.errors import BadInput, NotAllowed, StaleDecision
from lorekeeper.questions import question_for
from lorekeeper.redact import Placeholders, redact
from lorekeeper.store import pairs, reading

NO_ID = 0  # the store gives one


class NoQuestion(BadInput):
    """Nobody asked before the answer was given, as far as one can see; a person may word it."""


def propose(
    desk: Desk,
    *,
    channel: str,
    ts: str,
    by: str,
    origin: Origin,
    question: str | None = None,
    answer: str | None = None,
) -> Pair:
    """Save the message as an answer, with the question that it answers, for review.

    `question` and `answer` are a person's own words, where they chose some.

    Raises:
        NoQuestion: no question was found, and none is given.
        BadInput: the message is gone, has no text, is the bot's own, or lies where the bot is not.
        NotAllowed: guests and people of other organisations may not save.
        StaleDecision: somebody saved this answer before.
    """
    desk.access.require(by, Right.CAPTURE)
    where = mirror.channel_of(desk, channel)
    excerpt = threads.excerpt(desk, channel, ts)
    _refuse_unfit(desk, where, excerpt, by)
    asked = question_for(excerpt.message, list(excerpt.before))
    if asked is None and not question:
        raise NoQuestion(
            "I see no question that this answers.", fix="Word the question, and it is saved."
        )
    pair = _pair(desk, where, excerpt, asked, by=by, origin=origin, words=(question, answer))
    with desk.engine.begin() as db:
        pair = pairs.add(db, pair)
    cards.post(desk, pair)
    whisper(
        desk,
        channel=channel,
        user=by,
        thread_ts=excerpt.message.thread_ts,
        text=f"Saved for review as pair {pair.id}.",
        blocks=shown.saved(pair),
    )
    return pair


def reacted(desk: Desk, *, channel: str, ts: str, by: str) -> None:
    """Save by reaction; where no question is found, the person is asked to word it."""
    try:
        propose(desk, channel=channel, ts=ts, by=by, origin=Origin.REACTION)
    except NoQuestion as missing:
        whisper(
            desk,
            channel=channel,
            user=by,
            text=str(missing),
            blocks=offer_to_word(str(missing), channel, ts, Origin.REACTION),
        )


def draft(desk: Desk, *, channel: str, ts: str, by: str) -> tuple[str, str]:
    """The question and the answer as they would be saved; the question is "" where none was found.

    Raises:
        BadInput, NotAllowed, StaleDecision: as `propose`.
    """
    desk.access.require(by, Right.CAPTURE)
    excerpt = threads.excerpt(desk, channel, ts)
    _refuse_unfit(desk, mirror.channel_of(desk, channel), excerpt, by)
    with reading(desk.engine) as db:
        there = pairs.live(db, channel=channel, answer_ts=ts)
    if there is not None:
        raise StaleDecision(
            f"This answer is already saved as pair {there.id} ({there.state}), by <@{there.captured_by}>.",
            fix="Open it in the review queue to change it.",
        )
    asked = question_for(excerpt.message, list(excerpt.before))
    known = placeholders_of([*excerpt.before, excerpt.message])
    question = _storable(desk, asked.text, known)[0] if asked is not None else ""
    return question, _storable(desk, excerpt.message.text, known)[0]


def withdraw(desk: Desk, pair_id: int, *, by: str) -> Pair:
    """Take a candidate back, by the one who saved it or by a reviewer.

    Raises:
        NotAllowed: it is somebody else's.
        StaleDecision: it was decided already.
    """
    with reading(desk.engine) as db:
        pair = pairs.get(db, pair_id)
    if by != pair.captured_by and not desk.access.may(by, Right.REVIEW):
        raise NotAllowed(
            f"Pair {pair_id} was saved by <@{pair.captured_by}>.", fix="They can take it back."
        )
    if pair.state is not PairState.CANDIDATE:
        raise StaleDecision(
            f"Pair {pair_id} is {pair.state} already, by <@{pair.decided_by or pair.captured_by}>.",
            fix="Ask a reviewer to withdraw it.",
        )
    with desk.engine.begin() as db:
        pair = pairs.move(db, pair, PairState.RETIRED, by=by, reason="withdrawn by a person")
    cards.refresh(desk, pair)
    return pair


def unreacted(desk: Desk, *, channel: str, ts: str, by: str) -> None:
    """The captor took the reaction back: so is the pair, while nobody has decided on it."""
    with reading(desk.engine) as db:
        pair = pairs.live(db, channel=channel, answer_ts=ts)
    if pair is None or pair.captured_by != by or pair.state is not PairState.CANDIDATE:
        return
    if pair.origin is Origin.REACTION:
        withdraw(desk, pair.id, by=by)
        whisper(desk, channel=channel, user=by, text=f"Pair {pair.id} was taken back.")


def correct(
    desk: Desk,
    *,
    question: str,
    answer: str,
    instead_of: str,
    by: str,
    channel: str,
    ts: str,
    scope: str,
) -> Pair:
    """Save a person's better answer in place of the bot's, for review.

    `channel` and `ts` are those of the bot's answer; `scope` says who may see the correction.

    Raises:
        NotAllowed: guests and people of other organisations may not save.
        StaleDecision: somebody corrected this answer before.
    """
    desk.access.require(by, Right.CAPTURE)
    known = Placeholders()
    asked, told = redact(question, known), redact(answer, known)
    pair = Pair(
        id=NO_ID,
        question=asked.text,
        answer=told.text,
        state=PairState.CANDIDATE,
        origin=Origin.CORRECTION,
        channel=channel,
        scope=scope,
        conversation=f"{channel}/{ts}",
        source=threads.permalink(desk.me, channel, ts),
        answer_ts=ts,
        authors=(by,),
        captured_by=by,
        captured_at=time.time(),
        rejected_answer=redact(instead_of, known).text,
        redactions=asked.kinds + told.kinds,
    )
    with desk.engine.begin() as db:
        pair = pairs.add(db, pair)
    cards.post(desk, pair)
    return pair


def _refuse_unfit(desk: Desk, where: Channel, excerpt: threads.Excerpt, by: str) -> None:
    message = excerpt.message
    if where.scope != PUBLIC and not where.is_direct and not desk.access.may_see(by, where.scope):
        raise NotAllowed(f"You are not in <#{where.id}>.", fix="Ask one of its members to save it.")
    if message.author in {desk.me.user, desk.me.bot}:
        raise BadInput(
            "That is my own answer, and I do not learn from myself.",
            fix="If it was good, press the thumb under it; if not, press the other one and correct it.",
        )
    if not excerpt.has_text:
        raise BadInput("That message has no text.", fix="Save one that says the answer in words.")


def _pair(
    desk: Desk,
    where: Channel,
    excerpt: threads.Excerpt,
    asked: Message | None,
    *,
    by: str,
    origin: Origin,
    words: tuple[str | None, str | None],
) -> Pair:
    """Both texts are redacted alike, people included: the same person is the same placeholder."""
    answer = excerpt.message
    known = placeholders_of([*excerpt.before, answer])
    own_question, own_answer = words
    question, question_kinds = _storable(desk, own_question or (asked.text if asked else ""), known)
    told, answer_kinds = _storable(desk, own_answer or answer.text, known)
    used = [message for message in (asked, answer) if message is not None]
    before = tuple(kind for message in used for kind in excerpt.removed.get(message.ts, ()))
    return Pair(
        id=NO_ID,
        question=question,
        answer=told,
        state=PairState.CANDIDATE,
        origin=origin,
        channel=where.id,
        scope=where.scope,
        conversation=f"{where.id}/{_root(answer, asked)}",
        source=answer.permalink,
        answer_ts=answer.ts,
        question_ts=asked.ts if asked is not None else None,
        authors=tuple(dict.fromkeys(message.author for message in used)),
        captured_by=by,
        captured_at=time.time(),
        redactions=before + question_kinds + answer_kinds,
    )


def _root(answer: Message, asked: Message | None) -> str:
    """What a split keeps together: the thread, or in a flat channel what hangs on one question."""
    return answer.thread_ts or (asked.root if asked is not None else answer.ts)


def _storable(desk: Desk, text: str, known: Placeholders) -> tuple[str, tuple[str, ...]]:
    clean = redact(threads.without_mention(desk.me, text), known)
    return clean.text, clean.kinds
