"""Stored events in; what they mean to the bot out. They come from the inbox, each one once."""

from __future__ import annotations

import structlog
from slack_bolt import App

from bot import backfill, files, home, mirror, prompts, reactions, reply, welcome
from bot.desk import Desk, Json
from bot.door import Listener, door

log = structlog.get_logger(__name__)


def register(app: App, desk: Desk) -> None:
    for name, listener in EVENTS.items():
        app.event(name)(door(desk, listener))


def app_mention(desk: Desk, body: Json) -> None:
    reply.heard(desk, body["event"]["channel"], body["event"])


def message(desk: Desk, body: Json) -> None:
    event = body["event"]
    channel = event["channel"]
    match event.get("subtype"):
        case "message_changed":
            mirror.change(desk, channel, event["message"], event.get("previous_message") or {})
            _asked_anew(desk, channel, event)
        case "message_deleted":
            reply.withdrawn(desk, channel, event["deleted_ts"])
            mirror.forget(desk, channel, event["deleted_ts"])
            for file in (event.get("previous_message") or {}).get("files") or ():
                files.unshared(desk, file["id"], channel)
        case _:
            mirror.keep(desk, channel, event)
            reply.heard(desk, channel, event)


def reaction_added(desk: Desk, body: Json) -> None:
    event, item = body["event"], body["event"]["item"]
    if item.get("type") != "message":
        return
    reactions.added(
        desk, channel=item["channel"], ts=item["ts"], by=event["user"], emoji=event["reaction"]
    )


def reaction_removed(desk: Desk, body: Json) -> None:
    event, item = body["event"], body["event"]["item"]
    if item.get("type") != "message":
        return
    reactions.removed(
        desk, channel=item["channel"], ts=item["ts"], by=event["user"], emoji=event["reaction"]
    )


def pin_added(desk: Desk, body: Json) -> None:
    _pin(desk, body["event"], is_pinned=True)


def pin_removed(desk: Desk, body: Json) -> None:
    _pin(desk, body["event"], is_pinned=False)


def _pin(desk: Desk, event: Json, *, is_pinned: bool) -> None:
    item = event["item"]
    if item.get("type") == "message":
        mirror.pin(desk, item["channel"], item["message"], is_pinned=is_pinned)


def file_shared(desk: Desk, body: Json) -> None:
    """Shared somewhere, made public, or changed: look at what it is now, and who may see it."""
    files.look(desk, body["event"]["file_id"])


def file_unshared(desk: Desk, body: Json) -> None:
    event = body["event"]
    if event.get("channel_id"):  # Slack does not always say from where
        files.unshared(desk, event["file_id"], event["channel_id"])
    files.look(desk, event["file_id"])


def file_deleted(desk: Desk, body: Json) -> None:
    files.gone(desk, body["event"]["file_id"])


def app_home_opened(desk: Desk, body: Json) -> None:
    event = body["event"]
    if event.get("tab") == "messages":
        prompts.suggest(desk, event["user"], event["channel"])
    else:
        home.publish(desk, event["user"])


def app_context_changed(desk: Desk, body: Json) -> None:
    """What the person looks at beside the bot's messages changed: suggest what is asked there."""
    event = body["event"]
    if event.get("user") and event.get("channel"):
        place = prompts.looked_at(desk, event)
        prompts.suggest(desk, event["user"], event["channel"], looking_at=place)


def agent_session_stopped(desk: Desk, body: Json) -> None:
    reply.stopped(desk, body["event"]["channel"], body["event"]["thread_ts"])


def member_joined_channel(desk: Desk, body: Json) -> None:
    event = body["event"]
    desk.access.forget(event["user"])
    if event["user"] == desk.me.user:
        backfill.begin(desk, event["channel"])
        welcome.introduce(desk, event["channel"])


def member_left_channel(desk: Desk, body: Json) -> None:
    event = body["event"]
    desk.access.forget(event["user"])
    if event["user"] == desk.me.user:
        mirror.forget_channel(desk, event["channel"])


def channel_left(desk: Desk, body: Json) -> None:
    desk.access.forget_memberships()
    mirror.forget_channel(desk, body["event"]["channel"])


def channel_described(desk: Desk, body: Json) -> None:
    """Its name, or who may read it, changed."""
    channel = body["event"]["channel"]
    desk.access.forget_memberships()
    mirror.describe(desk, channel["id"] if isinstance(channel, dict) else channel)


def user_change(desk: Desk, body: Json) -> None:
    desk.access.forget(body["event"]["user"]["id"])


def gone(desk: Desk, body: Json) -> None:
    log.error("Slack took the bot's access away; reinstall the app", event=body["event"]["type"])


EVENTS: dict[str, Listener] = {
    "app_mention": app_mention,
    "message": message,
    "reaction_added": reaction_added,
    "reaction_removed": reaction_removed,
    "pin_added": pin_added,
    "pin_removed": pin_removed,
    "file_shared": file_shared,
    "file_change": file_shared,
    "file_unshared": file_unshared,
    "file_deleted": file_deleted,
    "app_home_opened": app_home_opened,
    "app_context_changed": app_context_changed,
    "agent_session_stopped": agent_session_stopped,
    "member_joined_channel": member_joined_channel,
    "member_left_channel": member_left_channel,
    "channel_left": channel_left,
    "group_left": channel_left,
    "channel_deleted": channel_left,
    "group_deleted": channel_left,
    "channel_rename": channel_described,
    "group_rename": channel_described,
    "channel_shared": channel_described,
    "channel_unshared": channel_described,
    "user_change": user_change,
    "app_uninstalled": gone,
    "tokens_revoked": gone,
}


def _asked_anew(desk: Desk, channel: str, event: Json) -> None:
    """Unfurled links and streams that end are changes, too; only a new text is a new question."""
    now, before = event["message"], event.get("previous_message") or {}
    if now.get("subtype") == "tombstone":
        reply.withdrawn(desk, channel, now["ts"])
    elif now.get("text") != before.get("text") and now.get("user") != desk.me.user:
        reply.edited(desk, channel, now)
