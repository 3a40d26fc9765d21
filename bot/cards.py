"""A pair in; its card in the review channel, posted once and edited ever after, out."""

from __future__ import annotations

from bot.blocks import pairs as shown
from bot.blocks.text import Block
from bot.desk import Desk
from lorekeeper.domain import PUBLIC, Pair, PairState
from lorekeeper.store import cards, reading


def post(desk: Desk, pair: Pair) -> None:
    """Show a candidate in the review channel, where there is one."""
    channel = desk.settings.bot.review_channel
    if not channel:
        return
    sent = desk.client.chat_postMessage(
        channel=channel, text=_summary(pair, channel), blocks=_blocks(pair, channel)
    )
    with desk.engine.begin() as db:
        cards.put(db, _subject(pair), channel=sent["channel"], ts=sent["ts"])


def refresh(desk: Desk, pair: Pair) -> None:
    """Bring the card up to date; a candidate without one gets one."""
    with reading(desk.engine) as db:
        place = cards.get(db, _subject(pair))
    if place is None:
        if pair.state is PairState.CANDIDATE:
            post(desk, pair)
        return
    channel, ts = place
    desk.client.chat_update(
        channel=channel,
        ts=ts,
        text=_summary(pair, channel),
        blocks=_blocks(pair, channel),
    )


def _subject(pair: Pair) -> str:
    return f"pair:{pair.id}"


def _blocks(pair: Pair, channel: str) -> list[Block]:
    return shown.sealed_card(pair) if _is_sealed(pair, channel) else shown.card(pair)


def _summary(pair: Pair, channel: str) -> str:
    return shown.title(pair) if _is_sealed(pair, channel) else shown.summary(pair)


def _is_sealed(pair: Pair, channel: str) -> bool:
    """Words that were private, or that were withdrawn, are not for everyone in the review channel."""
    return pair.scope not in {PUBLIC, channel} or pair.state is PairState.RETIRED
