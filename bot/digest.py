"""What waits for review in; one message in the review channel, renewed from time to time, out."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from slack_sdk.errors import SlackApiError

from bot.blocks import digest as shown
from bot.blocks.text import Block
from bot.desk import Desk
from lorekeeper.domain import IN_BULK, PUBLIC, PairState
from lorekeeper.store import cards, pairs, reading

SUBJECT = "digest"
SHOWN = 5  # candidates with their buttons
HOUR = 3600.0
GONE = {"message_not_found", "channel_not_found"}


def look(desk: Desk, *, now: float | None = None) -> None:
    """Post a new digest when it is time and something waits that no card has just shown; the old one
    gives up its buttons."""
    hours, channel = desk.settings.bot.digest_hours, desk.settings.bot.review_channel
    if not hours or not channel:
        return
    now = time.time() if now is None else now
    with reading(desk.engine) as db:
        last = cards.get(db, SUBJECT)
        waiting = [one for one in pairs.standing(db) if one.state is PairState.CANDIDATE]
    is_due = last is None or now - float(last[1]) >= hours * HOUR
    is_news = any(one.origin in IN_BULK or now - one.oldest >= hours * HOUR for one in waiting)
    if not is_due or not is_news:
        return
    sent = desk.client.chat_postMessage(channel=channel, **_content(desk, channel))
    with desk.engine.begin() as db:
        cards.put(db, SUBJECT, channel=sent["channel"], ts=sent["ts"])
    if last is not None:
        _update(desk, last, shown.outdated())


def refresh(desk: Desk, channel: str, ts: str) -> None:
    """Show the next candidates in the digest, if this message is the one that counts."""
    with reading(desk.engine) as db:
        place = cards.get(db, SUBJECT)
    if place == (channel, ts):
        content = _content(desk, channel)
        desk.client.chat_update(channel=channel, ts=ts, **content)


def _content(desk: Desk, channel: str) -> dict[str, Any]:
    with reading(desk.engine) as db:
        standing = [one for one in pairs.standing(db) if one.state is PairState.CANDIDATE]
        first = pairs.waiting(db, limit=20 * SHOWN)
    readable = {PUBLIC, channel}
    here = [pair for pair in first if pair.scope in readable][:SHOWN]
    alike = {
        pair.id: desk.library.like(pair, visible=lambda o: o.scope in readable) for pair in here
    }
    by_channel, by_origin = Counter[str](), Counter[str]()
    for one in standing:
        by_channel[one.channel] += one.count
        by_origin[one.origin.value] += one.count
    oldest = min((one.oldest for one in standing), default=time.time())
    return {
        "text": f"{by_channel.total()} answers wait for review.",
        "blocks": shown.digest(here, alike, by_channel, by_origin, oldest),
    }


def _update(desk: Desk, place: tuple[str, str], blocks: list[Block]) -> None:
    try:
        desk.client.chat_update(
            channel=place[0], ts=place[1], text="A newer digest is below.", blocks=blocks
        )
    except SlackApiError as error:
        if error.response["error"] not in GONE:
            raise
