"""A person, a place and words in; the words shown to that person, somewhere they will see them, out."""

from __future__ import annotations

import json
import re
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from bot.blocks.text import Block, escape, section, shorten
from bot.desk import Desk
from lorekeeper.errors import LorekeeperError, NotReachable

OK = 200
_BRACKET = re.compile(r"[\[\]()<>]")
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")

ELSEWHERE = {
    "not_in_channel",
    "channel_not_found",
    "user_not_in_channel",
    "is_archived",
    "messages_tab_disabled",
}


def whisper(
    desk: Desk,
    *,
    channel: str,
    user: str,
    text: str,
    blocks: list[Block] | None = None,
    thread_ts: str | None = None,
) -> None:
    """Say something that only this person sees: there where they are, or in a direct message."""
    shown: dict[str, Any] = {"text": shorten(text, 900), "blocks": blocks or [section(text)]}
    if not channel or channel.startswith("D"):
        desk.client.chat_postMessage(channel=channel or user, thread_ts=thread_ts, **shown)
        return
    try:
        desk.client.chat_postEphemeral(channel=channel, user=user, thread_ts=thread_ts, **shown)
    except SlackApiError as error:
        if error.response["error"] not in ELSEWHERE:
            raise
        desk.client.chat_postMessage(channel=user, **shown)


def profile(desk: Desk, user: str) -> tuple[str, str]:
    """A person's name, and the address of their profile: to name somebody without waking them."""
    return desk.access.person(user).name or user, f"{desk.me.url.rstrip('/')}/team/{user}"


def unpinged(desk: Desk, markdown: str) -> str:
    """The text with names in place of mentions: whoever is quoted is not called."""

    def named(mention: re.Match[str]) -> str:
        name, url = profile(desk, mention[1])
        return f"[@{_BRACKET.sub('', name)}]({url})"

    return _MENTION.sub(named, markdown)


def words_of(error: LorekeeperError) -> str:
    """What happened and what to do. Mentions that we wrote stay mentions."""
    return f":warning: {error.what} {error.fix}"


def apology(error_id: str) -> str:
    return (
        f":boom: Something went wrong on my side. Tell whoever runs me: error `{escape(error_id)}`."
        " Nothing was half done; you can try again."
    )


def place_of(body: dict[str, Any]) -> tuple[str, str, str | None]:
    """Channel, person and thread that a payload is about; "" where it says nothing."""
    event = body.get("event", body)
    item = event.get("item") or {}
    message = event.get("message") or body.get("message") or {}
    about = json.loads((body.get("view") or {}).get("private_metadata") or "{}")
    channel = event.get("channel") or item.get("channel") or body.get("channel_id") or ""
    channel = channel or about.get("channel", "")
    container = body.get("container") or {}
    if isinstance(channel, dict):
        channel = channel.get("id", "")
    user = event.get("user") or body.get("user") or body.get("user_id") or message.get("user") or ""
    if isinstance(user, dict):
        user = user.get("id", "")
    thread = event.get("thread_ts") or message.get("thread_ts") or container.get("thread_ts")
    return channel or container.get("channel_id", ""), user, thread


def respond(body: dict[str, Any], text: str, blocks: list[Block] | None = None) -> None:
    """Answer a command or a pressed button where it came from; only that person sees it."""
    reply = WebhookClient(body["response_url"]).send(
        text=shorten(text, 3000),
        blocks=blocks or [section(text)],
        response_type="ephemeral",
        replace_original=False,
    )
    if reply.status_code != OK:
        raise NotReachable(
            f"Slack did not take the answer: {reply.status_code}.", fix="Send the command again."
        )


def take_away(body: dict[str, Any], text: str) -> None:
    """Put a last word in the place of the ephemeral message whose button was pressed."""
    WebhookClient(body["response_url"]).send(
        text=text, blocks=[section(text)], response_type="ephemeral", replace_original=True
    )
