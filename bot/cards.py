"""A pair in; its card in the review channel, posted once and edited ever after, out."""

from __future__ import annotations

from bot.blocks import pairs as shown
from bot.blocks.text import Block
from bot.desk import Desk
from lorekeeper.domain import IN_BULK, PUBLIC, Pair, PairState
from lorekeeper.store import cards, pairs, reading

KIND = "pair:"


def ask_for(desk: Desk, pair: Pair) -> None:
    """Have a card posted, after those that wait: a channel takes about one message a second, and
    whoever saved an answer must not wait for that."""
    if desk.settings.bot.review_channel:
        desk.inbox.put(f"card:{pair.id}", {"type": "card", "pair": pair.id}, lane=KIND)


def show(desk: Desk, pair_id: int) -> None:
    """Post the card of a candidate, or bring the one that it has up to date."""
    with reading(desk.engine) as db:
        pair, place = pairs.get(db, pair_id), cards.get(db, f"{KIND}{pair_id}")
    if place is not None:
        _edit(desk, pair, place)
    elif pair.state is PairState.CANDIDATE:
        _post(desk, pair, desk.settings.bot.review_channel)


def refresh(desk: Desk, pair: Pair) -> None:
    """Bring the card up to date; a candidate without one gets one."""
    with reading(desk.engine) as db:
        place = cards.get(db, f"{KIND}{pair.id}")
    if place is not None:
        _edit(desk, pair, place)
    elif pair.state is PairState.CANDIDATE and pair.origin not in IN_BULK:  # the digest shows those
        ask_for(desk, pair)


def shown_at(desk: Desk, channel: str, ts: str) -> int | None:
    """The id of the pair whose card this message is."""
    with reading(desk.engine) as db:
        subject = cards.at(db, channel, ts)
    return int(subject.removeprefix(KIND)) if subject and subject.startswith(KIND) else None


def _post(desk: Desk, pair: Pair, channel: str) -> None:
    sent = desk.client.chat_postMessage(
        channel=channel, text=_summary(pair, channel), blocks=_blocks(desk, pair, channel)
    )
    with desk.engine.begin() as db:
        cards.put(db, f"{KIND}{pair.id}", channel=sent["channel"], ts=sent["ts"])


def _edit(desk: Desk, pair: Pair, place: tuple[str, str]) -> None:
    channel, ts = place
    desk.client.chat_update(
        channel=channel, ts=ts, text=_summary(pair, channel), blocks=_blocks(desk, pair, channel)
    )


def _blocks(desk: Desk, pair: Pair, channel: str) -> list[Block]:
    if _is_sealed(pair, channel):
        return shown.sealed_card(pair)
    if pair.state is not PairState.CANDIDATE:
        return shown.card(pair)
    readable = {PUBLIC, channel}
    return shown.card(pair, desk.library.like(pair, visible=lambda other: other.scope in readable))


def _summary(pair: Pair, channel: str) -> str:
    return shown.title(pair) if _is_sealed(pair, channel) else shown.summary(pair)


def _is_sealed(pair: Pair, channel: str) -> bool:
    """Words that were private, or that were withdrawn, are not for everyone in the review channel."""
    return pair.scope not in {PUBLIC, channel} or pair.state is PairState.RETIRED
