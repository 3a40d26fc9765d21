"""A place in Slack in; what was said there, redacted, as messages, oldest first, out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from slack_sdk.errors import SlackApiError

from bot.desk import Desk, Json, Me
from lorekeeper.domain import Message
from lorekeeper.errors import BadInput
from lorekeeper.links import permalink
from lorekeeper.redact import Placeholders, redact
from lorekeeper.store import messages, reading
from lorekeeper.text import slack_to_markdown

BEFORE = 30  # messages of a flat channel that may hold the question
PAGE = 200

SPOKEN = frozenset({None, "file_share", "thread_broadcast", "me_message", "bot_message"})
"""Subtypes that are somebody saying something; the others are Slack reporting."""

GONE = {"thread_not_found", "message_not_found"}
CLOSED = {"not_in_channel", "channel_not_found", "missing_scope", "is_archived"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """A message with its conversation, all redacted alike, oldest first."""

    message: Message
    before: tuple[Message, ...]
    after: tuple[Message, ...]  # in a thread, what was said later

    @property
    def all(self) -> tuple[Message, ...]:
        return (*self.before, self.message, *self.after)


def thread(desk: Desk, channel: str, root: str) -> list[Message]:
    """The root and its replies: from the store where the root is stored, else from Slack."""
    with reading(desk.engine) as db:
        stored = messages.thread(db, channel, root)
    if stored and stored[0].ts == root:
        return stored
    known = Placeholders()
    return [read(desk.me, channel, raw, known)[0] for raw in _replies(desk, channel, root)]


def excerpt(desk: Desk, channel: str, ts: str, *, live: bool = False) -> Excerpt:
    """A message as it is now, with the rest of its thread, or what a flat channel said before it.

    What is stored is kept up to date, and costs no call; Slack is asked for the rest, and for all of it
    where what was said in this very second counts (`live`).

    Raises:
        BadInput: it was deleted, or the bot cannot read there.
    """
    stored = [] if live else _stored(desk, channel, ts)
    found = stored or _from_slack(desk, channel, ts)
    message = next((one for one in found if one.ts == ts), None)
    if message is None:
        raise BadInput("That message is not there any more.", fix="Save another one.")
    return Excerpt(
        message=message,
        before=tuple(one for one in found if one.ts < ts),
        after=tuple(one for one in found if one.ts > ts),
    )


def raw_message(desk: Desk, channel: str, ts: str, root: str) -> Json:
    """One message as Slack has it now.

    Raises:
        BadInput: it was deleted, or the bot cannot read there.
    """
    found = next((raw for raw in _replies(desk, channel, root) if raw["ts"] == ts), None)
    if found is None:
        raise BadInput("That message is not there any more.", fix="Ask again.")
    return found


def read(
    me: Me, channel: str, raw: Json, known: Placeholders | None = None
) -> tuple[Message, tuple[str, ...]]:
    """One of Slack's messages as ours, redacted, with the kinds of what was removed.

    Mentions stay, as ids: they say who answers whom.
    """
    clean = redact(slack_to_markdown(raw), known, people=False)
    thread_ts = raw.get("thread_ts")
    message = Message(
        channel=channel,
        ts=raw["ts"],
        author=raw.get("user") or raw.get("bot_id") or "",
        text=clean.text,
        thread_ts=thread_ts,
        permalink=permalink(me.url, channel, raw["ts"], thread_ts),
        is_bot=bool(raw.get("bot_id")),
        is_pinned=channel in (raw.get("pinned_to") or ()),
        edited_ts=(raw.get("edited") or {}).get("ts"),
    )
    return message, clean.kinds


def is_spoken(raw: Json) -> bool:
    return raw.get("subtype") in SPOKEN and not raw.get("hidden")


def without_mention(me: Me, text: str) -> str:
    """What was said to the bot, without its name."""
    return re.sub(rf"\s*<@{re.escape(me.user)}(?:\|[^>]*)?>[,:]?\s*", " ", text).strip()


def _stored(desk: Desk, channel: str, ts: str) -> list[Message]:
    """The message's conversation, if all that is needed of it is stored."""
    with reading(desk.engine) as db:
        message = messages.get(db, channel, ts)
        if message is None:
            return []
        if message.root != ts or message.thread_ts:
            thread = messages.thread(db, channel, message.root)
            return thread if thread[0].ts == message.root else []
        before = messages.before(db, channel, ts, limit=BEFORE)
        is_all = len(before) == BEFORE or messages.backfilled_to(db, channel)[1]
        return [*before, message] if is_all else []


def _from_slack(desk: Desk, channel: str, ts: str) -> list[Message]:
    known = Placeholders()
    found = [read(desk.me, channel, raw, known)[0] for raw in _conversation(desk, channel, ts)]
    with reading(desk.engine) as db:
        return [one for one in found if not messages.is_forgotten(db, channel, one.ts)]


def _conversation(desk: Desk, channel: str, ts: str) -> list[Json]:
    """The thread that holds the message, or the flat stretch of channel that ends with it."""
    around = list(_replies(desk, channel, ts))
    here = next((raw for raw in around if raw["ts"] == ts), None)
    if here is None:
        return []
    root = here.get("thread_ts", ts)
    if root != ts:
        return around if around[0]["ts"] == root else list(_replies(desk, channel, root))
    flat = _ask(desk, "conversations_history", channel, latest=ts, inclusive=True, limit=BEFORE)
    return [raw for raw in reversed(flat["messages"]) if is_spoken(raw)]


def _replies(desk: Desk, channel: str, root: str) -> Iterator[Json]:
    cursor: str | None = None
    while True:
        page = _ask(desk, "conversations_replies", channel, ts=root, limit=PAGE, cursor=cursor)
        yield from (raw for raw in page["messages"] if is_spoken(raw))
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return


def _ask(desk: Desk, method: str, channel: str, **arguments: Any) -> Any:
    """Raises BadInput where Slack says that the bot cannot read there, or that nothing is there."""
    try:
        return getattr(desk.client, method)(channel=channel, **arguments)
    except SlackApiError as error:
        code = error.response["error"]
        if code in CLOSED:
            raise BadInput(
                f"I cannot read <#{channel}>: I am not in it.",
                fix="Invite me there, then try again.",
            ) from None
        if code in GONE:
            raise BadInput("That message is not there any more.", fix="Save another one.") from None
        raise
