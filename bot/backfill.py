"""A channel that the bot is in; its history read page by page into the store, from where it was left off, out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from bot import files, mirror
from bot.desk import Desk, Json
from bot.threads import is_spoken, read
from lorekeeper.store import messages, people, reading

PAGE = 100
REPLIES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page of a channel's history brought."""

    messages: int  # that were not stored before
    reached: str | None  # the oldest `ts` that was read by now
    is_last: bool


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


def read_on(desk: Desk, channel: str) -> None:
    """Read the next page back in time, and ask for the one after it."""
    read_page(desk, channel)
    ask_for(desk, channel)


def read_page(desk: Desk, channel: str) -> Page:
    """Read the next page back in time, and remember how far that was.

    Waiting as Slack demands (429) is the client's; a killed process goes on at this page.
    """
    with reading(desk.engine) as db:
        left_off, is_done = messages.backfilled_to(db, channel)
    if is_done or mirror.channel_of(desk, channel).is_direct:
        return Page(messages=0, reached=left_off, is_last=True)
    page: Any = desk.client.conversations_history(channel=channel, latest=left_off, limit=PAGE)
    kept = sum(_keep_thread(desk, channel, raw) for raw in page["messages"])
    oldest = page["messages"][-1]["ts"] if page["messages"] else left_off
    with desk.engine.begin() as db:
        messages.backfilled(db, channel, to=oldest, done=not page["has_more"])
    return Page(messages=kept, reached=oldest, is_last=not page["has_more"])


def _keep_thread(desk: Desk, channel: str, raw: Json) -> int:
    """A message of the channel, with its replies, redacted alike; all of it or nothing. How many were new.

    What is stored already is newer than what a page says, and stays.
    """
    raws = [raw] if not raw.get("reply_count") else _replies(desk, channel, raw["ts"])
    for each in filter(is_spoken, raws):
        files.ask_for(desk, each.get("files") or (), f"{channel}:{each['ts']}")
    kept = 0
    with desk.engine.begin() as db:
        stored = messages.thread(db, channel, raw["ts"])
        known = desk.placeholders.of(db, channel, root=raw["ts"], is_live=False)
        there = {message.ts for message in stored}
        for each in raws:
            is_silent = people.has_opted_out(db, each.get("user") or "")
            if is_spoken(each) and each["ts"] not in there and not is_silent:
                messages.put(db, read(desk.me, channel, each, known)[0])
                kept += 1
    return kept


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
