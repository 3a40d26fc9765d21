"""Two adapters in; a vote in Slack on their answers, blind until it is closed, and its result, out.

Preparing asks both adapters every question, step by step from the inbox, so that it goes on after a
restart. Nobody is told whose answer is whose, nor how the votes stand, before it is closed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection

from bot import gateway, mirror
from bot.access import Right
from bot.blocks import comparison as shown
from bot.comparison_questions import candidates
from bot.desk import Desk
from bot.tell import unpinged, whisper
from builder.report import judging
from builder.report.judge import agreement
from builder.report.votes import in_words, majority, tally
from lorekeeper.domain import (
    BASE_NAME,
    AdapterKind,
    Answer,
    Channel,
    Choice,
    Compared,
    Comparison,
    ComparisonState,
    Level,
)
from lorekeeper.errors import (
    AlreadyRunning,
    BadInput,
    LorekeeperError,
    NotAllowed,
    NotReachable,
    StaleDecision,
)
from lorekeeper.store import adapters, answers, comparisons, reading
from lorekeeper.store.rows import plain

log = structlog.get_logger(__name__)

QUESTIONS = 8  # where nobody says how many
MOST = 20
TRIES = 3  # questions that may be asked for each that is wanted: some, nothing answers
LOAD_SECONDS = 120.0  # in which the engine must hold both


def begin(
    desk: Desk, one: str, other: str, *, by: str, channel: str, wanted: int, recent: bool
) -> Comparison:
    """Begin to prepare a comparison, told of in this channel.

    Raises:
        NotAllowed: the person may not, or people of another organisation read the channel.
        NotFound, BadInput: one of the two is no adapter that can answer beside another.
        AlreadyRunning: one is open in this channel.
    """
    desk.access.require(by, Right.COMPARE, channel)
    where = mirror.channel_of(desk, channel)
    _refuse(desk, where, one, other, wanted)
    scopes = desk.access.scopes_for(where, by)
    with desk.engine.begin() as db:
        open_ = comparisons.in_channel(db, channel)
        if open_ is not None:
            raise AlreadyRunning(
                f"{open_.one} and {open_.other} are being compared here already.",
                fix="Close or cancel that first.",
            )
        questions = candidates(db, desk.settings, where, scopes, recent=recent)[: TRIES * wanted]
        if not questions:
            raise BadInput(
                f"There are no {'recent' if recent else 'held-out'} questions that everyone here may read.",
                fix=f"Try `/lore compare {one} {other}{'' if recent else ' recent'}`.",
            )
        made = comparisons.begin(
            db, one=one, other=other, wanted=wanted, by=by, channel=channel, questions=questions
        )
    return _show(desk, made)


def step(desk: Desk, comparison_id: int) -> None:
    """Answer the next question twice, or open the vote when there are enough."""
    with reading(desk.engine) as db:
        about, questions = (
            comparisons.get(db, comparison_id),
            comparisons.questions(db, comparison_id),
        )
    if about.state is not ComparisonState.PREPARING:
        return
    waiting = next((one for one in questions if one.one_answer is None), None)
    enough = sum(one.is_ready for one in questions) >= about.wanted
    if waiting is None or enough:
        _open(desk, about, questions)
        return
    try:
        _answer(desk, about, waiting)
    except LorekeeperError as error:
        _end(desk, about, ComparisonState.FAILED, error=f"{error.what} {error.fix}")
        return
    _show(desk, about)
    _ask_for_step(desk, about, waiting.id)


def vote(desk: Desk, compared_id: int, place: str, *, by: str, thread: str | None) -> None:
    """Count what the person pressed: the first or the second answer, both, or neither.

    Raises:
        NotAllowed: a guest, or somebody of another organisation.
        StaleDecision: it is closed.
    """
    if not desk.access.person(by).is_member:
        raise NotAllowed("Votes are for members of this workspace.", fix="Ask a member.")
    with desk.engine.begin() as db:
        one = comparisons.question(db, compared_id)
        is_new = by not in {vote.by for vote in comparisons.votes_of(db, one.comparison_id)}
        comparisons.vote(db, compared_id, by=by, choice=_choice(place, one.is_swapped))
        about = comparisons.get(db, one.comparison_id)
    whisper(desk, channel=about.channel, user=by, thread_ts=thread, text=shown.counted(place))
    if is_new:
        _show(desk, about)  # says how many people voted


def close(desk: Desk, comparison_id: int, *, by: str) -> Comparison:
    """Count, and say whose answers were whose.

    Raises:
        NotAllowed: the person neither began it nor may compare.
        StaleDecision: it is not open.
    """
    about = _mine(desk, comparison_id, by)
    closed = _end(desk, about, ComparisonState.CLOSED, by=by)
    with reading(desk.engine) as db:
        for number, one in enumerate(_votable(comparisons.questions(db, closed.id)), 1):
            _show_question(desk, db, closed, number, one)
    desk.inbox.put(f"judge:{closed.id}", {"type": "judgement", "comparison": closed.id})
    return closed


def cancel(desk: Desk, comparison_id: int, *, by: str) -> Comparison:
    """Give it up; nothing is counted.

    Raises:
        NotAllowed: the person neither began it nor may compare.
        StaleDecision: it is over.
    """
    return _end(desk, _mine(desk, comparison_id, by), ComparisonState.CANCELLED, by=by)


def judge(desk: Desk, comparison_id: int) -> None:
    """Let the judge model, where there is one, say what it finds of the same public answers."""
    rules = desk.settings.judge
    if not rules.url:
        return
    with reading(desk.engine) as db:
        about = comparisons.get(db, comparison_id)
        ready = [one for one in _votable(comparisons.questions(db, about.id)) if one.is_public]
        people = majority(comparisons.votes_of(db, about.id))
    found = judging.compared(ready, rules, one=about.one, other=about.other)
    opinions = {one.id: opinion for one, opinion in zip(ready, found.opinions, strict=False)}
    told = " ".join(filter(None, [found.told, agreement(opinions, people)]))
    with desk.engine.begin() as db:
        comparisons.judged(db, about.id, {**plain(found), "told": told})
        about = comparisons.get(db, about.id)
    _show(desk, about)


def _refuse(desk: Desk, where: Channel, one: str, other: str, wanted: int) -> None:
    if where.is_shared:
        raise NotAllowed(
            "People of another organisation read here, and weights hold what members said.",
            fix="Compare in a channel of your own.",
        )
    if one == other:
        raise BadInput(f"{one} is as good as itself.", fix="Name two: `/lore compare v3 v4`.")
    if not 1 <= wanted <= MOST:
        raise BadInput(f"{wanted} questions cannot be compared.", fix=f"Ask for 1 to {MOST}.")
    with reading(desk.engine) as db:
        for name in {one, other} - {BASE_NAME}:
            if adapters.by_name(db, name).kind is not AdapterKind.ADAPTER:
                raise BadInput(
                    f"{name} is a whole model: an engine runs one of those at a time.",
                    fix="`lore report` shows how it compares.",
                )


def _answer(desk: Desk, about: Comparison, one: Compared) -> None:
    """Both answers to one question, from what everyone in the channel may see."""
    _wait_until_loaded(desk, about)
    where = mirror.channel_of(desk, about.channel)
    scopes = desk.access.scopes_for(where, about.asked_by)
    made = [_asked(desk, one, model, scopes) for model in (about.one, about.other)]
    texts = [unpinged(desk, answer.text) if _counts(answer) else "" for answer in made]
    if not all(texts):
        texts = ["", ""]  # nothing to compare
    with desk.engine.begin() as db:
        comparisons.answered(
            db,
            one.id,
            one=texts[0],
            other=texts[1],
            is_swapped=random.SystemRandom().random() < 0.5,
        )


def _asked(desk: Desk, one: Compared, model: str, scopes: frozenset[str]) -> Answer:
    asking = gateway.Asking(
        turns=[{"role": "user", "content": one.question}],
        scopes=scopes,
        asker="",
        channel="",
        exclude=frozenset(filter(None, [one.conversation])),
        model=model,
    )
    made: Answer | None = None
    for piece in gateway.ask(desk.settings.serving, asking):
        made = piece.answer or made
    if made is None:
        raise NotReachable("An answer broke off.", fix="Begin the comparison again.")
    with desk.engine.begin() as db:
        answers.drop(db, made.id)
    if made.level in {Level.TUNED, Level.BASE} and made.model != model:
        raise NotReachable(
            f"{made.model} answered in place of {model}: the engine does not hold it.",
            fix="`lore adapters` says why.",
        )
    return made


def _counts(answer: Answer) -> bool:
    """Whether a model wrote it."""
    return answer.level in {Level.TUNED, Level.BASE}


def _wait_until_loaded(desk: Desk, about: Comparison) -> None:
    import stamina

    try:
        for attempt in stamina.retry_context(
            on=NotYet, attempts=None, timeout=LOAD_SECONDS, wait_initial=0.2, wait_max=2.0
        ):
            with attempt:
                there = gateway.adapters(desk.settings.serving)
                missing = {about.one, about.other} - {BASE_NAME, *there}
                if missing:
                    raise NotYet(", ".join(sorted(missing)))
    except NotYet as error:
        raise NotReachable(
            f"The engine does not hold {error}.", fix="`lore adapters` says why."
        ) from None


class NotYet(Exception):
    """The engine does not hold both adapters yet."""


def _open(desk: Desk, about: Comparison, questions: Sequence[Compared]) -> None:
    """Post every question with its two answers in the thread, and open the vote."""
    ready = _votable(questions)[: about.wanted]
    if not ready:
        told = "No question got two answers that differ."
        _end(desk, about, ComparisonState.FAILED, error=told)
        return
    for number, one in enumerate(ready, 1):
        if one.message_ts is None:
            with desk.engine.begin() as db:
                _show_question(desk, db, about, number, one)
    with desk.engine.begin() as db:
        opened = comparisons.move(
            db, about.id, was=ComparisonState.PREPARING, to=ComparisonState.OPEN
        )
    if opened is not None:
        _show(desk, opened)


def _end(
    desk: Desk, about: Comparison, to: ComparisonState, *, by: str | None = None, error: str = ""
) -> Comparison:
    values: dict[str, Any] = {"closed_by": by, "closed_at": time.time(), "error": error or None}
    with desk.engine.begin() as db:
        ended = comparisons.move(db, about.id, was=about.state, to=to, **values)
    if ended is None:
        raise StaleDecision("Somebody else was first.", fix="Its message says how it stands.")
    return _show(desk, ended)


def _mine(desk: Desk, comparison_id: int, by: str) -> Comparison:
    with reading(desk.engine) as db:
        about = comparisons.get(db, comparison_id)
    if about.asked_by != by:
        desk.access.require(by, Right.COMPARE, about.channel)
    if about.is_over:
        raise StaleDecision(f"This comparison is {about.state} already.", fix="Nothing changed.")
    return about


def _votable(questions: Sequence[Compared]) -> list[Compared]:
    return [one for one in questions if one.is_ready]


def _choice(place: str, is_swapped: bool) -> Choice:
    if place in {Choice.BOTH, Choice.NEITHER}:
        return Choice(place)
    return Choice.OTHER if (place == shown.SECOND) != is_swapped else Choice.ONE


def _show_question(
    desk: Desk, db: Connection, about: Comparison, number: int, one: Compared
) -> None:
    votes = [vote for vote in comparisons.votes_of(db, about.id) if vote.compared_id == one.id]
    content: Mapping[str, Any] = {
        "text": f"Question {number}",
        "blocks": shown.question(about, number, one, votes),
    }
    if one.message_ts is not None:
        desk.client.chat_update(channel=about.channel, ts=one.message_ts, **content)
        return
    sent = desk.client.chat_postMessage(
        channel=about.channel, thread_ts=about.message_ts, **content
    )
    comparisons.shown(db, one.id, sent["ts"])


def _show(desk: Desk, about: Comparison) -> Comparison:
    """Edit its message, or post it and begin."""
    with reading(desk.engine) as db:
        questions = comparisons.questions(db, about.id)
        votes = comparisons.votes_of(db, about.id)
    result = in_words(about, tally(votes)) if about.state is ComparisonState.CLOSED else ""
    people = len({vote.by for vote in votes})
    content: Mapping[str, Any] = {
        "text": f"{about.one} and {about.other}, compared blind",
        "blocks": shown.card(about, questions, result, people),
    }
    if about.message_ts is not None:
        desk.client.chat_update(channel=about.channel, ts=about.message_ts, **content)
        return about
    sent = desk.client.chat_postMessage(channel=about.channel, **content)
    with desk.engine.begin() as db:
        comparisons.posted(db, about.id, sent["ts"])
        placed = comparisons.get(db, about.id)
    _ask_for_step(desk, placed, 0)
    return placed


def _ask_for_step(desk: Desk, about: Comparison, done: int) -> None:
    what = {"type": "comparison", "comparison": about.id}
    desk.inbox.put(f"comparison:{about.id}:{done}", what, lane=f"comparison:{about.id}")
