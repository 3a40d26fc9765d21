"""reactions calls in; the app's emoji on messages out."""

from __future__ import annotations

import re

from bot.playground.api.call import Call, method
from bot.playground.records import Json, Refused

_NAME = re.compile(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?")


@method("reactions.add", "reactions:write")
def reactions_add(call: Call) -> Json:
    channel = call.joined_channel()
    call.workspace.react(channel.id, _ts(call), call.app.bot_user, _name(call))
    return {}


@method("reactions.remove", "reactions:write", tier=2)
def reactions_remove(call: Call) -> Json:
    channel = call.joined_channel()
    call.workspace.unreact(channel.id, _ts(call), call.app.bot_user, _name(call))
    return {}


@method("reactions.get", "reactions:read")
def reactions_get(call: Call) -> Json:
    channel = call.visible_channel()
    message = call.workspace.message(channel.id, _ts(call))
    message["permalink"] = call.workspace.permalink(channel.id, message["ts"])
    return {"type": "message", "channel": channel.id, "message": message}


def _ts(call: Call) -> str:
    return call.need("timestamp", "no_item_specified")


def _name(call: Call) -> str:
    name = call.need("name", "invalid_name").strip(":")
    if not _NAME.fullmatch(name):
        raise Refused("invalid_name")
    return name
