"""A candidate and a reviewer in; the pair approved, rejected or reworded, and everyone who waits told, out."""

from __future__ import annotations

from bot import cards
from bot.access import Right
from bot.blocks.text import escaped
from bot.desk import Desk
from bot.tell import whisper
from lorekeeper.domain import Pair, PairState
from lorekeeper.errors import NotAllowed, StaleDecision
from lorekeeper.redact import Placeholders, redact
from lorekeeper.store import pairs, reading

LISTED = 100  # candidates looked at for one page of the queue


def decide(desk: Desk, pair_id: int, to: PairState, *, by: str, reason: str | None = None) -> Pair:
    """Approve or reject a candidate, unless somebody decided first.

    Raises:
        NotAllowed: the person is no reviewer, or cannot see the conversation it comes from.
        StaleDecision: it was decided already; says by whom.
    """
    pair = _for_review(desk, pair_id, by)
    if pair.state is not PairState.CANDIDATE:
        cards.refresh(desk, pair)
        raise StaleDecision(
            f"Pair {pair.id} is already {pair.state}, by <@{pair.decided_by or pair.captured_by}>.",
            fix="Nothing was changed.",
        )
    with desk.engine.begin() as db:
        pair = pairs.move(db, pair, to, by=by, reason=reason or None)
    cards.refresh(desk, pair)
    if to is PairState.REJECTED:
        _tell_captor(desk, pair)
    return pair


def edit(desk: Desk, pair_id: int, *, by: str, question: str, answer: str, tags: str = "") -> Pair:
    """Reword a pair, by a reviewer, or by its captor while it is a candidate.

    An approved pair goes back to review: its new words were approved by nobody.

    Raises:
        NotAllowed: somebody else's, and the person is no reviewer.
        StaleDecision: it was decided or reworded meanwhile.
    """
    pair = may_edit(desk, pair_id, by=by)
    known = Placeholders()
    asked, told = redact(question, known), redact(answer, known)
    with desk.engine.begin() as db:
        if pair.state is not PairState.CANDIDATE:
            pair = pairs.move(db, pair, PairState.CANDIDATE, by=by, reason="reworded")
        pair = pairs.edit(
            db,
            pair,
            by=by,
            question=asked.text,
            answer=told.text,
            tags=tuple(tag.strip() for tag in tags.split(",") if tag.strip()),
            redactions=pair.redactions + asked.kinds + told.kinds,
        )
    cards.refresh(desk, pair)
    return pair


def may_edit(desk: Desk, pair_id: int, *, by: str) -> Pair:
    """The pair, if this person may reword it.

    Raises:
        NotAllowed, StaleDecision: as `edit`.
    """
    with reading(desk.engine) as db:
        pair = pairs.get(db, pair_id)
    is_theirs = by == pair.captured_by and pair.state is PairState.CANDIDATE
    if not is_theirs:
        pair = _for_review(desk, pair_id, by)
    if pair.state is PairState.RETIRED:
        raise StaleDecision(f"Pair {pair_id} was withdrawn.", fix="Save the answer again.")
    return pair


def seen_by(desk: Desk, pair_id: int, *, by: str) -> Pair:
    """The pair, if this person may read it.

    Raises:
        NotAllowed: it comes from a conversation that they are not in.
    """
    with reading(desk.engine) as db:
        pair = pairs.get(db, pair_id)
    if pair.captured_by != by and not desk.access.may_see(by, pair.scope):
        raise NotAllowed(
            f"Pair {pair_id} comes from <#{pair.channel}>, which you are not in.",
            fix="Leave it to one of its members.",
        )
    return pair


def queue(desk: Desk, *, by: str, limit: int) -> list[Pair]:
    """The candidates that wait longest, of those that this reviewer may read."""
    if not desk.access.may(by, Right.REVIEW):
        return []
    with reading(desk.engine) as db:
        waiting = pairs.in_state(db, PairState.CANDIDATE, limit=LISTED)
    return [pair for pair in waiting if desk.access.may_see(by, pair.scope)][:limit]


def approve_by_reaction(desk: Desk, *, channel: str, ts: str, by: str) -> None:
    """A reviewer's reaction on a saved answer. On anything else, or by anybody else, the
    emoji is just an emoji."""
    with reading(desk.engine) as db:
        pair = pairs.live(db, channel=channel, answer_ts=ts)
    if pair is None or pair.state is not PairState.CANDIDATE:
        return
    if desk.access.may(by, Right.REVIEW) and desk.access.may_see(by, pair.scope):
        decide(desk, pair.id, PairState.APPROVED, by=by)
        whisper(desk, channel=channel, user=by, text=f"Pair {pair.id} is approved.")


def _for_review(desk: Desk, pair_id: int, by: str) -> Pair:
    desk.access.require(by, Right.REVIEW)
    return seen_by(desk, pair_id, by=by)


def _tell_captor(desk: Desk, pair: Pair) -> None:
    if pair.captured_by == pair.decided_by or not pair.captured_by.startswith(("U", "W")):
        return
    why = f": {escaped(pair.reason, 500)}" if pair.reason else "."
    whisper(
        desk,
        channel=pair.channel,
        user=pair.captured_by,
        text=f"Pair {pair.id}, which you saved, was rejected by <@{pair.decided_by}>{why}",
    )
