"""A candidate and a reviewer in; the pair approved, rejected, reworded, merged, or put in the place of
another one, and everyone who waits told, out."""

from __future__ import annotations

from bot import cards
from bot.access import Right
from bot.alike import Alike
from bot.blocks.text import escaped, is_slack_user
from bot.desk import Desk
from bot.tell import whisper
from lorekeeper.domain import IN_BULK, Pair, PairState
from lorekeeper.errors import BadInput, NotAllowed, StaleDecision
from lorekeeper.redact import Placeholders, redact
from lorekeeper.store import pairs, reading

LISTED = 100  # candidates looked at at a time


def decide(desk: Desk, pair_id: int, to: PairState, *, by: str, reason: str | None = None) -> Pair:
    """Approve or reject a candidate, unless somebody decided first.

    Raises:
        NotAllowed: the person is no reviewer, or cannot see the conversation it comes from.
        StaleDecision: it was decided already; says by whom.
    """
    pair = _waiting(desk, pair_id, by)
    with desk.engine.begin() as db:
        pair = pairs.move(db, pair, to, by=by, reason=reason or None)
    cards.refresh(desk, pair)
    if to is PairState.REJECTED:
        _tell_captor(desk, pair)
    return pair


def reopen(desk: Desk, pair_id: int, *, by: str) -> Pair:
    """Put a decided pair back into the queue: it is trained on and quoted only once it is approved again.

    Raises:
        NotAllowed: as `decide`.
        StaleDecision: it waits already, or was withdrawn.
    """
    pair = _for_review(desk, pair_id, by)
    with desk.engine.begin() as db:
        pair = pairs.move(db, pair, PairState.CANDIDATE, by=by, reason="opened again")
    cards.refresh(desk, pair)
    return pair


def merge(desk: Desk, pair_id: int, into: int, *, by: str) -> Pair:
    """Keep one pair of two that say the same: `into` learns the other wording of the question.

    Returns the pair that stays.

    Raises:
        NotAllowed: as `decide`, for either pair; or the candidate is private and the other is not.
        StaleDecision: one of the two was decided meanwhile.
    """
    pair, kept = _waiting(desk, pair_id, by), _for_review(desk, into, by)
    _refuse_leak(pair, kept)
    wordings = dict.fromkeys((*kept.also_asked, pair.question))
    wordings.pop(kept.question, None)
    with desk.engine.begin() as db:
        gone = pairs.move(
            db, pair, PairState.RETIRED, by=by, reason=f"merged into pair {into}", merged_into=into
        )
        kept = pairs.edit(db, kept, by=by, also_asked=tuple(wordings))
    for one in (gone, kept):
        cards.refresh(desk, one)
    return kept


def replace(desk: Desk, pair_id: int, old: int, *, by: str) -> Pair:
    """Of two pairs that contradict each other the new one is right: approve it, retire the old one.

    Raises:
        NotAllowed: as `decide`, for either pair.
        StaleDecision: one of the two was decided meanwhile.
    """
    pair, beaten = _waiting(desk, pair_id, by), _for_review(desk, old, by)
    why = f"contradicted by pair {pair_id}, which is right"
    with desk.engine.begin() as db:
        gone = pairs.move(db, beaten, PairState.RETIRED, by=by, reason=why)
        pair = pairs.move(db, pair, PairState.APPROVED, by=by, reason=f"in the place of pair {old}")
    for one in (gone, pair):
        cards.refresh(desk, one)
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
            tags=listed(tags),
            redactions=pair.redactions + asked.kinds + told.kinds,
        )
    cards.refresh(desk, pair)
    return pair


def listed(tags: str) -> tuple[str, ...]:
    """Tags as a person types them, with commas between; each once."""
    return tuple(dict.fromkeys(tag.strip() for tag in tags.split(",") if tag.strip()))


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
    """The next candidates of those that this reviewer may read and decide on."""
    if not desk.access.may_review_somewhere(by):
        return []
    found: list[Pair] = []
    offset = 0
    while len(found) < limit:
        with reading(desk.engine) as db:
            waiting = pairs.waiting(db, limit=LISTED, offset=offset)
        found += [pair for pair in waiting if _is_for(desk, pair, by)]
        offset += LISTED
        if len(waiting) < LISTED:
            break
    return found[:limit]


def alike(desk: Desk, pair: Pair, *, by: str) -> list[Alike]:
    """What the pair duplicates or contradicts, as far as this reviewer may read it."""
    return desk.library.like(pair, visible=lambda other: desk.access.may_see(by, other.scope))


def _is_for(desk: Desk, pair: Pair, by: str) -> bool:
    return desk.access.may(by, Right.REVIEW, pair.channel) and desk.access.may_see(by, pair.scope)


def _for_review(desk: Desk, pair_id: int, by: str) -> Pair:
    pair = seen_by(desk, pair_id, by=by)
    desk.access.require(by, Right.REVIEW, pair.channel)
    return pair


def _waiting(desk: Desk, pair_id: int, by: str) -> Pair:
    """The candidate, if this person may decide on it and nobody has."""
    pair = _for_review(desk, pair_id, by)
    if pair.state is not PairState.CANDIDATE:
        cards.refresh(desk, pair)
        raise StaleDecision(
            f"Pair {pair.id} is already {pair.state}, by <@{pair.decided_by or pair.captured_by}>.",
            fix="Nothing was changed.",
        )
    return pair


def _refuse_leak(pair: Pair, kept: Pair) -> None:
    """The wording of a private question must not come out where everyone reads."""
    if pair.scope != kept.scope:
        raise BadInput(
            f"Pairs {pair.id} and {kept.id} are not for the same readers.",
            fix="Approve or reject it by itself.",
        )


def _tell_captor(desk: Desk, pair: Pair) -> None:
    """Who saved it by hand; whoever had hundreds imported is not told of each."""
    is_theirs = pair.origin not in IN_BULK and is_slack_user(pair.captured_by)
    if not is_theirs or pair.captured_by == pair.decided_by:
        return
    why = f": {escaped(pair.reason, 500)}" if pair.reason else "."
    whisper(
        desk,
        channel=pair.channel,
        user=pair.captured_by,
        text=f"Pair {pair.id}, which you saved, was rejected by <@{pair.decided_by}>{why}",
    )
