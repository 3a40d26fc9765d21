"""conversations calls in; channels, histories and threads out, a page at a time."""

from __future__ import annotations

from bot.playground.api.call import (
    HISTORY,
    READ,
    Call,
    method,
    page,
    pointer,
    read_pointer,
)
from bot.playground.conversation import ts_key
from bot.playground.records import Channel, Json, Kind, Refused

TYPES: dict[str, Kind] = {
    "public_channel": "public",
    "private_channel": "private",
    "im": "im",
    "mpim": "mpim",
}


def kinds_asked(call: Call) -> set[Kind]:
    """The kinds named by `types`. Raises Refused(invalid_types | missing_scope)."""
    kinds: set[Kind] = set()
    for name in call.text("types", "public_channel").split(","):
        kind = TYPES.get(name.strip())
        if kind is None:
            raise Refused("invalid_types")
        call.needs(READ[kind])
        kinds.add(kind)
    return kinds


@method("conversations.list", *READ.values(), tier=2)
def conversations_list(call: Call) -> Json:
    kinds = kinds_asked(call)
    hide_archived = call.flag("exclude_archived")
    rows = [
        channel.as_slack(viewer=call.app.bot_user)
        for channel in call.workspace.channels.values()
        if channel.kind in kinds
        and (channel.kind == "public" or call.app.bot_user in channel.members)
        and not (hide_archived and channel.is_archived)
    ]
    channels, cursor = page(rows, call.text("cursor"), call.number("limit", 100, most=999))
    return {"channels": channels, "response_metadata": {"next_cursor": cursor}}


@method("conversations.info", *READ.values())
def conversations_info(call: Call) -> Json:
    channel = call.visible_channel()
    call.needs(READ[channel.kind])
    shape = channel.as_slack(viewer=call.app.bot_user)
    if not call.flag("include_num_members"):
        shape.pop("num_members", None)
    return {"channel": shape}


@method("conversations.members", *READ.values(), tier=4)
def conversations_members(call: Call) -> Json:
    channel = call.visible_channel()
    call.needs(READ[channel.kind])
    limit = call.number("limit", 100, most=999)
    members, cursor = page(channel.members, call.text("cursor"), limit)
    return {"members": members, "response_metadata": {"next_cursor": cursor}}


@method("conversations.join", "channels:join")
def conversations_join(call: Call) -> Json:
    channel = call.visible_channel()
    if channel.kind != "public":
        raise Refused("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise Refused("is_archived")
    joined = call.workspace.join(channel.id, call.app.bot_user)
    answer: Json = {"channel": channel.as_slack(viewer=call.app.bot_user)}
    if not joined:
        answer |= {
            "warning": "already_in_channel",
            "response_metadata": {"warnings": ["already_in_channel"]},
        }
    return answer


@method("conversations.open", "im:write", "mpim:write", "channels:manage", "groups:write")
def conversations_open(call: Call) -> Json:
    if call.text("channel"):
        room = call.visible_channel()
        return {"no_op": True, "already_open": True, "channel": {"id": room.id}}
    asked = [user.strip() for user in call.need("users", "users_list_not_supplied").split(",")]
    for user in asked:
        if user not in call.workspace.users:
            raise Refused("user_not_found")
    if call.workspace.users[asked[0]].is_bot and len(asked) == 1:
        raise Refused("cannot_dm_bot")
    known = set(call.workspace.channels)
    room = call.workspace.direct(call.app.bot_user, *asked)
    opened = room.as_slack(viewer=call.app.bot_user) if call.flag("return_im") else {"id": room.id}
    answer: Json = {"channel": opened}
    return answer | ({"no_op": True, "already_open": True} if room.id in known else {})


@method("conversations.history", *HISTORY.values())
def conversations_history(call: Call) -> Json:
    channel = call.joined_channel()
    call.needs(HISTORY[channel.kind])
    limit = call.number("limit", 100, most=999)
    with call.workspace.lock:
        log = call.workspace.conversation(channel.id)
        found = [ts for ts in reversed(log.timeline()) if _within(call, ts)]
        if call.text("cursor"):
            before = ts_key(read_pointer(call.text("cursor"), "next_ts"))
            found = [ts for ts in found if ts_key(ts) <= before]
        messages = [log.shown(ts) for ts in found[:limit]]
    answer: Json = {
        "messages": messages,
        "has_more": len(found) > limit,
        "pin_count": len(channel.pins),
        "channel_actions_ts": None,
        "channel_actions_count": 0,
    }
    if len(found) > limit:
        answer["response_metadata"] = {"next_cursor": pointer(f"next_ts:{found[limit]}")}
    return answer


@method("conversations.replies", *HISTORY.values())
def conversations_replies(call: Call) -> Json:
    channel = call.joined_channel()
    call.needs(HISTORY[channel.kind])
    root = call.need("ts", "thread_not_found")
    limit = call.number("limit", 1000, most=1000)
    with call.workspace.lock:
        log = call.workspace.conversation(channel.id)
        thread = log.thread(root)
        if not thread:
            raise Refused("thread_not_found")
        found = [ts for ts in thread if ts == root or _within(call, ts)]
        if call.text("cursor"):
            after = ts_key(read_pointer(call.text("cursor"), "next_ts"))
            found = [ts for ts in found if ts_key(ts) >= after]
        messages = [log.shown(ts) for ts in found[:limit]]
    answer: Json = {"messages": messages, "has_more": len(found) > limit}
    if len(found) > limit:
        answer["response_metadata"] = {"next_cursor": pointer(f"next_ts:{found[limit]}")}
    return answer


@method("pins.list", "pins:read", tier=2)
def pins_list(call: Call) -> Json:
    channel: Channel = call.visible_channel()
    items = [
        {"type": "message", "channel": channel.id, "message": call.workspace.message(channel.id, t)}
        for t in channel.pins
        if t in call.workspace.conversation(channel.id)
    ]
    return {"items": items}


def _within(call: Call, ts: str) -> bool:
    oldest, latest, inclusive = call.text("oldest"), call.text("latest"), call.flag("inclusive")
    try:
        here = ts_key(ts)
        if oldest and (here < ts_key(oldest) or (here == ts_key(oldest) and not inclusive)):
            return False
        return not (
            latest and (here > ts_key(latest) or (here == ts_key(latest) and not inclusive))
        )
    except ValueError:
        raise Refused("invalid_ts_oldest" if oldest else "invalid_ts_latest") from None
