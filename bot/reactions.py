"""An emoji on a message in; what it means there (save, approve, reject, or nothing) done, out."""

from __future__ import annotations

from bot import capture, cards, feedback, review
from bot.access import Right
from bot.desk import Desk
from bot.tell import whisper
from lorekeeper.domain import Pair, PairState
from lorekeeper.store import pairs, reading

VERBS = {PairState.APPROVED: "approved", PairState.REJECTED: "rejected"}


def added(desk: Desk, *, channel: str, ts: str, by: str, emoji: str) -> None:
    """Do what the emoji means in this channel; most emoji mean nothing."""
    name, rules = plain_name(emoji), desk.settings.bot.rules(channel)
    if name in rules.save_emoji:
        capture.reacted(desk, channel=channel, ts=ts, by=by)
    elif name in rules.approve_emoji:
        _decide(desk, channel, ts, PairState.APPROVED, by)
    elif name in rules.reject_emoji:
        _decide(desk, channel, ts, PairState.REJECTED, by)
    else:
        feedback.reacted(desk, channel=channel, ts=ts, by=by, emoji=name)


def removed(desk: Desk, *, channel: str, ts: str, by: str, emoji: str) -> None:
    """Who takes the saving emoji back takes the pair back."""
    if plain_name(emoji) in desk.settings.bot.rules(channel).save_emoji:
        capture.unreacted(desk, channel=channel, ts=ts, by=by)
    else:
        feedback.unreacted(desk, channel=channel, ts=ts, by=by, emoji=plain_name(emoji))


def plain_name(emoji: str) -> str:
    """The emoji whatever its skin tone."""
    return emoji.partition("::")[0]


def _decide(desk: Desk, channel: str, ts: str, to: PairState, by: str) -> None:
    """On a saved answer or on a pair's card, by a reviewer who may read it. On anything else, or by
    anybody else, the emoji is just an emoji."""
    pair = _meant(desk, channel, ts)
    if pair is None or pair.state is not PairState.CANDIDATE:
        return
    if desk.access.may(by, Right.REVIEW, pair.channel) and desk.access.may_see(by, pair.scope):
        review.decide(desk, pair.id, to, by=by)
        whisper(desk, channel=channel, user=by, text=f"Pair {pair.id} is {VERBS[to]}.")


def _meant(desk: Desk, channel: str, ts: str) -> Pair | None:
    shown = cards.shown_at(desk, channel, ts)
    with reading(desk.engine) as db:
        return pairs.get(db, shown) if shown else pairs.live(db, channel=channel, answer_ts=ts)
