"""A change in the workspace in; the event envelopes out, one for each app that is there and asked to hear it."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import TYPE_CHECKING

from bot.playground.markup import mentioned
from bot.playground.records import App, Channel, Json

if TYPE_CHECKING:
    from bot.playground.files import File
    from bot.playground.workspace import Workspace

SUBSCRIPTION = {"public": "channels", "private": "groups", "im": "im", "mpim": "mpim"}


def message_posted(workspace: Workspace, room: Channel, message: Json) -> None:
    """`message`, and for each mentioned app that is in the channel also `app_mention`."""
    event = _message_event(room, message)
    _tell(workspace, event, room=room, names=_message_names(room))
    if room.kind == "im" or message.get("subtype") not in (None, "file_share", "thread_broadcast"):
        return
    for app in _present(workspace, room):
        if app.bot_user in mentioned(message.get("text", "")) and app.bot_user != message["user"]:
            mention = {k: v for k, v in event.items() if k not in ("channel_type", "subtype")}
            _send(workspace, app, mention | {"type": "app_mention"}, names=("app_mention",))


def message_changed(workspace: Workspace, room: Channel, message: Json, previous: Json) -> None:
    event = _hidden(workspace, room, "message_changed")
    event |= {"message": message, "previous_message": previous, "hidden": True}
    _tell(workspace, event, room=room, names=_message_names(room))


def message_deleted(workspace: Workspace, room: Channel, previous: Json) -> None:
    event = _hidden(workspace, room, "message_deleted")
    event |= {"deleted_ts": previous["ts"], "previous_message": previous, "hidden": True}
    _tell(workspace, event, room=room, names=_message_names(room))


def reaction(
    workspace: Workspace, room: Channel, message: Json, user: str, name: str, *, added: bool
) -> None:
    kind = "reaction_added" if added else "reaction_removed"
    event: Json = {
        "type": kind,
        "user": user,
        "reaction": name,
        "item": {"type": "message", "channel": room.id, "ts": message["ts"]},
        "event_ts": workspace.new_ts(),
    }
    if message.get("user"):
        event["item_user"] = message["user"]
    _tell(workspace, event, room=room, names=(kind,))


def pinned(
    workspace: Workspace, room: Channel, message: Json, user: str, *, added: bool, count: int
) -> None:
    kind = "pin_added" if added else "pin_removed"
    event: Json = {
        "type": kind,
        "user": user,
        "channel_id": room.id,
        "item": {
            "type": "message",
            "channel": room.id,
            "message": message,
            "created": int(workspace.clock.now()),
            "created_by": user,
        },
        "pin_count": count,
        "event_ts": workspace.new_ts(),
    }
    if not added:
        event["has_pins"] = count > 0
    _tell(workspace, event, room=room, names=(kind,))


def file(
    workspace: Workspace, change: str, file: File, user: str, *, rooms: Iterable[Channel]
) -> None:
    """`change`: shared, unshared, change or deleted; to each app that sees the file in one of the rooms.

    As in Slack, sharing and taking back name one channel, and changing and deleting none.
    """
    event: Json = {
        "type": f"file_{change}",
        "file_id": file.id,
        "file": {"id": file.id},
        "event_ts": workspace.new_ts(),
    }
    rooms = list(rooms)
    if change in ("shared", "unshared"):
        event |= {"user_id": user, "channel_id": rooms[0].id}
    if change == "deleted":
        del event["file"]
    for app in {app.id: app for room in rooms for app in _present(workspace, room)}.values():
        _send(workspace, app, event, names=(event["type"],))


def membership(
    workspace: Workspace, room: Channel, user: str, *, joined: bool, inviter: str | None = None
) -> None:
    kind = "member_joined_channel" if joined else "member_left_channel"
    event: Json = {
        "type": kind,
        "user": user,
        "channel": room.id,
        "channel_type": "C" if room.kind == "public" else "G",
        "team": workspace.team_id,
        "event_ts": workspace.new_ts(),
    }
    if inviter:
        event["inviter"] = inviter
    _tell(workspace, event, room=room, names=(kind,))


def channel_changed(workspace: Workspace, room: Channel, change: str, *, by: str = "") -> None:
    """`change`: rename or archive; a private channel's event is called group_..."""
    kind = ("channel_" if room.kind == "public" else "group_") + change
    event: Json = {"type": kind, "event_ts": workspace.new_ts()}
    if change == "rename":
        event["channel"] = {"id": room.id, "name": room.name, "created": room.created}
    else:
        event |= {"channel": room.id, "user": by}
    _tell(workspace, event, room=room, names=(kind,))


def home_opened(workspace: Workspace, app: App, user: str, tab: str, channel: str) -> None:
    event: Json = {
        "type": "app_home_opened",
        "user": user,
        "channel": channel,
        "tab": tab,
        "event_ts": workspace.new_ts(),
    }
    view = workspace.views.home(app.id, user)
    if view is not None and tab == "home":
        event["view"] = view
    _send(workspace, app, event, names=("app_home_opened",))


def session_stopped(
    workspace: Workspace, app: App, user: str, room: Channel, thread_ts: str, streaming: list[str]
) -> None:
    event: Json = {
        "type": "agent_session_stopped",
        "channel": room.id,
        "thread_ts": thread_ts,
        "user": user,
        "streaming_message_ts": streaming,
        "event_ts": workspace.new_ts(),
    }
    _send(workspace, app, event, names=("agent_session_stopped",))


def to_app(workspace: Workspace, app: App, event: Json) -> Json:
    """Send any event (`tokens_revoked`, `app_uninstalled`...) to one app; its envelope."""
    event = {"event_ts": workspace.new_ts()} | event
    return _send(workspace, app, event, names=(event["type"],)) or {}


def _message_names(room: Channel) -> tuple[str, ...]:
    return ("message", f"message.{SUBSCRIPTION[room.kind]}")


def _message_event(room: Channel, message: Json) -> Json:
    event = {k: v for k, v in message.items() if k != "reactions"}
    return event | {
        "channel": room.id,
        "event_ts": message["ts"],
        "channel_type": room.channel_type,
    }


def _hidden(workspace: Workspace, room: Channel, subtype: str) -> Json:
    ts = workspace.new_ts()
    return {
        "type": "message",
        "subtype": subtype,
        "channel": room.id,
        "channel_type": room.channel_type,
        "ts": ts,
        "event_ts": ts,
    }


def _present(workspace: Workspace, room: Channel) -> list[App]:
    return [app for app in workspace.apps.values() if app.bot_user in room.members]


def _tell(workspace: Workspace, event: Json, *, room: Channel, names: tuple[str, ...]) -> None:
    for app in _present(workspace, room):
        _send(workspace, app, event, names=names)


def _send(workspace: Workspace, app: App, event: Json, *, names: tuple[str, ...]) -> Json | None:
    if not app.hears(*names):
        return None
    envelope: Json = {
        "token": app.verification_token,
        "team_id": workspace.team_id,
        "context_team_id": workspace.team_id,
        "api_app_id": app.id,
        "event": deepcopy(event),
        "type": "event_callback",
        "event_id": workspace.new_id("Ev"),
        "event_time": int(workspace.clock.now()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": workspace.team_id,
                "user_id": app.bot_user,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": workspace.new_id("EC"),
    }
    channel = event.get("channel") or event.get("item", {}).get("channel")
    if isinstance(channel, str) and channel in workspace.channels:
        envelope["is_ext_shared_channel"] = workspace.channels[channel].is_ext_shared
    workspace.events.append(envelope)
    workspace.deliver(app, envelope)
    return envelope
