"""A good answer in Slack in; a candidate pair, stored redacted and shown to its captor, out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bot import cards, mirror, threads
from bot.access import Right
from bot.blocks import pairs as shown
from bot.blocks.modals import offer_to_word
from bot.blocks.text import person
from bot.desk import Desk
from bot.tell import whisper
from lorekeeper.domain import PUBLIC, Channel, Message, Origin, Pair, PairState
from lorekeeper.errors import BadInput, NotAllowed, StaleDecision
from lorekeeper.links import permalink
from lorekeeper.placeholders import kinds_in, placeholders_of
from lorekeeper.questions import question_for
from lorekeeper.redact import Placeholders, redact
from lorekeeper.store import pairs, people, reading

NO_ID = 0  # the store gives one


class NoQuestion(BadInput):
    """Nobody asked before the answer was given, as far as one can see; a person may word it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A pair as it would be saved, and the messages that its answer may be joined from."""

    question: str  # "" where none was found
    answer: str
    parts: tuple[str, ...]  # `ts` of the messages that the answer is made of
    choices: tuple[Message, ...]  # the answer's conversation, oldest first


def propose(
    desk: Desk,
    *,
    channel: str,
    ts: str,
    by: str,
    origin: Origin,
    parts: Sequence[str] = (),
    question: str | None = None,
    answer: str | None = None,
    tags: tuple[str, ...] = (),
) -> Pair:
    """Save the message as an answer, with the question that it answers, for review.

    `parts` are the messages of its thread that are joined into the answer; without any, it is the
    message alone. `question` and `answer` are a person's own words, where they chose some.

    Raises:
        NoQuestion: no question was found, and none is given.
        BadInput: the message is gone, has no text, is the bot's own, or lies where the bot is not.
        NotAllowed: the person may not save here, or the author asked not to be kept.
        StaleDecision: somebody saved this answer before.
    """
    desk.access.require(by, Right.CAPTURE, channel)
    where = mirror.channel_of(desk, channel)
    excerpt = threads.excerpt(desk, channel, ts, live=bool(parts))
    said = _joined(excerpt, parts)
    _refuse_unfit(desk, where, said, by)
    _refuse_saved(desk, channel, [message.ts for message in said])
    asked = _asked(desk, excerpt, said)
    if not asked and not question:
        raise NoQuestion(
            "I see no question that this answers.", fix="Word the question, and it is saved."
        )
    pair = _pair(
        desk, where, excerpt, asked, said, by=by, origin=origin, words=(question, answer), tags=tags
    )
    with desk.engine.begin() as db:
        pair = pairs.add(db, pair, worded=bool(question or answer))
    whisper(
        desk,
        channel=channel,
        user=by,
        thread_ts=excerpt.message.thread_ts,
        text=f"Saved for review as pair {pair.id}.",
        blocks=shown.saved(pair),
    )
    cards.ask_for(desk, pair)
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


def draft(desk: Desk, *, channel: str, ts: str, by: str, parts: Sequence[str] = ()) -> Draft:
    """The question and the answer as they would be saved.

    Raises:
        BadInput, NotAllowed, StaleDecision: as `propose`.
    """
    desk.access.require(by, Right.CAPTURE, channel)
    excerpt = threads.excerpt(desk, channel, ts, live=True)
    said = _joined(excerpt, parts)
    _refuse_unfit(desk, mirror.channel_of(desk, channel), said, by)
    _refuse_saved(desk, channel, [message.ts for message in said])
    asked = _asked(desk, excerpt, said)
    known = placeholders_of(excerpt.all)
    return Draft(
        question=_storable(desk, _text(asked), known)[0],
        answer=_storable(desk, _text(said), known)[0],
        parts=tuple(message.ts for message in said),
        choices=tuple(message for message in excerpt.all if _may_be_said(desk, message)),
    )


def withdraw(desk: Desk, pair_id: int, *, by: str) -> Pair:
    """Take a candidate back, by the one who saved it or by a reviewer.

    Raises:
        NotAllowed: it is somebody else's.
        StaleDecision: it was decided already.
    """
    with reading(desk.engine) as db:
        pair = pairs.get(db, pair_id)
    if by != pair.captured_by and not desk.access.may(by, Right.REVIEW, pair.channel):
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
    if pair is None or pair.captured_by != by or pair.origin is not Origin.REACTION:
        return
    if pair.state is PairState.CANDIDATE:
        withdraw(desk, pair.id, by=by)
        whisper(desk, channel=channel, user=by, text=f"Pair {pair.id} was taken back.")
        return
    whisper(
        desk,
        channel=channel,
        user=by,
        text=f"Pair {pair.id} stays: it is {pair.state}, by <@{pair.decided_by}>. Ask a reviewer to withdraw it.",
    )


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
        NotAllowed: the person may not save here.
        StaleDecision: somebody corrected this answer before.
    """
    desk.access.require(by, Right.CAPTURE, channel)
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
        source=permalink(desk.me.url, channel, ts),
        answer_ts=ts,
        authors=(by,),
        captured_by=by,
        captured_at=time.time(),
        rejected_answer=redact(instead_of, known).text,
        redactions=asked.kinds + told.kinds,
    )
    with desk.engine.begin() as db:
        pair = pairs.add(db, pair)
    cards.ask_for(desk, pair)
    return pair


def _joined(excerpt: threads.Excerpt, parts: Sequence[str]) -> list[Message]:
    """The messages that make the answer, oldest first.

    Raises:
        BadInput: one of them is gone.
    """
    if not parts:
        return [excerpt.message]
    there = {message.ts: message for message in excerpt.all}
    if not set(parts) <= set(there):
        raise BadInput(
            "One of the messages that you chose is not there any more.", fix="Choose them again."
        )
    return [there[ts] for ts in sorted(parts, key=float)]


def _refuse_unfit(desk: Desk, where: Channel, said: Sequence[Message], by: str) -> None:
    if where.scope != PUBLIC and not where.is_direct and not desk.access.may_see(by, where.scope):
        raise NotAllowed(f"You are not in <#{where.id}>.", fix="Ask one of its members to save it.")
    authors = {message.author for message in said}
    if authors & {desk.me.user, desk.me.bot}:
        raise BadInput(
            "That is my own answer, and I do not learn from myself.",
            fix="If it was good, press the thumb under it; if not, press the other one and correct it.",
        )
    with reading(desk.engine) as db:
        silent = next((who for who in authors if people.has_opted_out(db, who)), None)
    if silent is not None:
        raise NotAllowed(
            f"<@{silent}> asked that nothing they write is kept.",
            fix="Save somebody else's answer.",
        )
    if not any(message.text.strip() for message in said):
        raise BadInput("That message has no text.", fix="Save one that says the answer in words.")


def _refuse_saved(desk: Desk, channel: str, parts: Sequence[str]) -> None:
    with reading(desk.engine) as db:
        made = [pair for ts in parts for pair in pairs.made_of(db, channel=channel, ts=ts)]
    for pair in made:
        is_merged = pair.merged_into is not None
        is_there = pair.state is not PairState.RETIRED or is_merged
        if is_there and set(parts) & set(pair.answer_parts):
            state = f"merged into pair {pair.merged_into}" if is_merged else pair.state.value
            raise StaleDecision(
                f"This answer is already saved as pair {pair.id} ({state}), by {person(pair.captured_by)}.",
                fix="Open it in the review queue to change it.",
            )


def _asked(desk: Desk, excerpt: threads.Excerpt, said: Sequence[Message]) -> tuple[Message, ...]:
    """The messages that ask, oldest first; none of somebody who is not to be kept."""
    chosen = {message.ts for message in said}
    before = [message for message in excerpt.before if message.ts not in chosen]
    question = question_for(said[0], before)
    if question is None:
        return ()
    with reading(desk.engine) as db:
        is_silent = people.has_opted_out(db, question.author)
    return () if is_silent else _turn(question, before)


def _turn(question: Message, before: Sequence[Message]) -> tuple[Message, ...]:
    """The messages that were joined into a question."""
    gathered: list[Message] = []
    for message in before:
        if message.author == question.author and message.ts >= question.ts:
            gathered.append(message)
            if _text(gathered) == question.text:
                return tuple(gathered)
    return (question,)


def _may_be_said(desk: Desk, message: Message) -> bool:
    return bool(message.text.strip()) and message.author not in {desk.me.user, desk.me.bot}


def _pair(
    desk: Desk,
    where: Channel,
    excerpt: threads.Excerpt,
    asked: Sequence[Message],
    said: Sequence[Message],
    *,
    by: str,
    origin: Origin,
    words: tuple[str | None, str | None],
    tags: tuple[str, ...],
) -> Pair:
    """Both texts are redacted alike, people included: the same person is the same placeholder."""
    known = placeholders_of(excerpt.all)
    own_question, own_answer = words
    question, question_kinds = _storable(desk, own_question or _text(asked), known)
    told, answer_kinds = _storable(desk, own_answer or _text(said), known)
    used = [*asked, *said]
    before = tuple(kind for message in used for kind in kinds_in(message.text))
    return Pair(
        id=NO_ID,
        question=question,
        answer=told,
        state=PairState.CANDIDATE,
        origin=origin,
        channel=where.id,
        scope=where.scope,
        conversation=f"{where.id}/{_root(said[0], asked)}",
        source=said[0].permalink,
        answer_ts=said[0].ts,
        question_ts=asked[0].ts if asked else None,
        authors=tuple(dict.fromkeys(message.author for message in used)),
        captured_by=by,
        captured_at=time.time(),
        redactions=before + question_kinds + answer_kinds,
        tags=tags,
        question_parts=tuple(message.ts for message in asked),
        answer_parts=tuple(message.ts for message in said),
    )


def _root(answer: Message, asked: Sequence[Message]) -> str:
    """What a split keeps together: the thread, or in a flat channel what hangs on one question."""
    return answer.thread_ts or (asked[0].root if asked else answer.ts)


def _text(messages: Sequence[Message]) -> str:
    return "\n".join(message.text for message in messages)


def _storable(desk: Desk, text: str, known: Placeholders) -> tuple[str, tuple[str, ...]]:
    clean = redact(threads.without_mention(desk.me, text), known)
    return clean.text, clean.kinds
