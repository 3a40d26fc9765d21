"""A channel that the bot is in; its history read page by page into the store, from where it was left off, out."""

from __future__ import annotations

import time
from typing import Any

from bot import mirror
from bot.desk import Desk, Json
from bot.placeholders import placeholders_of
from bot.threads import is_spoken, read
from lorekeeper.store import messages, reading

PAGE = 100
REPLIES = 200


def join_up(desk: Desk) -> None:
    """Describe every channel that the bot is in, and put those with unread history in the inbox."""
    cursor: str | None = None
    while True:
        page: Any = desk.client.users_conversations(
            types="public_channel,private_channel,mpim",
            exclude_archived=True,
            limit=200,
            cursor=cursor,
        )
        for raw in page["channels"]:
            mirror.put_channel(desk, raw)
            ask_for(desk, raw["id"])
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return


def begin(desk: Desk, channel: str) -> None:
    """The bot came into a channel: describe it, and read its history."""
    mirror.describe(desk, channel)
    ask_for(desk, channel)


def ask_for(desk: Desk, channel: str) -> None:
    """Put the channel's unread history in the inbox.

    It keeps to the channel's lane: what is deleted while a page is read is deleted after it.
    """
    with reading(desk.engine) as db:
        left_off, is_done = messages.backfilled_to(db, channel)
    if not is_done:
        once = f"backfill:{channel}:{left_off or 'now'}:{int(time.time() // 60)}"
        desk.inbox.put(once, {"type": "backfill", "channel": channel}, lane=channel)


def read_page(desk: Desk, channel: str) -> None:
    """Read the next page back in time, remember how far that was, and ask for the one after it.

    Waiting as Slack demands (429) is the client's; a killed process goes on at this page.
    """
    with reading(desk.engine) as db:
        left_off, is_done = messages.backfilled_to(db, channel)
    if is_done or mirror.channel_of(desk, channel).is_direct:
        return
    page: Any = desk.client.conversations_history(channel=channel, latest=left_off, limit=PAGE)
    for raw in page["messages"]:
        _keep_thread(desk, channel, raw)
    oldest = page["messages"][-1]["ts"] if page["messages"] else left_off
    with desk.engine.begin() as db:
        messages.backfilled(db, channel, to=oldest, done=not page["has_more"])
    ask_for(desk, channel)


def _keep_thread(desk: Desk, channel: str, raw: Json) -> None:
    """A message of the channel, with its replies, redacted alike; all of it or nothing.

    What is stored already is newer than what a page says, and stays.
    """
    raws = [raw] if not raw.get("reply_count") else _replies(desk, channel, raw["ts"])
    with desk.engine.begin() as db:
        stored = messages.thread(db, channel, raw["ts"])
        known = placeholders_of(stored)
        there = {message.ts for message in stored}
        for each in raws:
            if is_spoken(each) and each["ts"] not in there:
                messages.put(db, read(desk.me, channel, each, known)[0])


def _replies(desk: Desk, channel: str, root: str) -> list[Json]:
    found: list[Json] = []
    cursor: str | None = None
    while True:
        page: Any = desk.client.conversations_replies(
            channel=channel, ts=root, limit=REPLIES, cursor=cursor
        )
        found += page["messages"]
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return found
