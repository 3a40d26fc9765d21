"""chat calls in; messages posted, changed, taken away and streamed out."""

from __future__ import annotations

from bot.playground import streams
from bot.playground.api.call import Call, method
from bot.playground.conversation import ts_key
from bot.playground.limits import check_blocks, check_markdown_text, check_text
from bot.playground.records import Channel, Json, Refused


@method("chat.postMessage", "chat:write", tier=0)
def post_message(call: Call) -> Json:
    room = _room_to_post_in(call)
    content = _content(call)
    message = call.workspace.post(
        room.id,
        call.app.bot_user,
        content.pop("text"),
        thread_ts=_thread(call, room),
        broadcast=call.flag("reply_broadcast"),
        blocks=content.pop("blocks", None),
        **content,
        **_signature(call),
    )
    return {"channel": room.id, "ts": message["ts"], "message": message}


@method("chat.postEphemeral", "chat:write", tier=4)
def post_ephemeral(call: Call) -> Json:
    room = call.joined_channel()
    user = call.need("user", "user_not_found")
    if user not in call.workspace.users:
        raise Refused("user_not_found")
    if user not in room.members:
        raise Refused("user_not_in_channel")
    content = _content(call)
    message = call.workspace.whispers.add(
        room.id,
        user,
        content.pop("text"),
        thread_ts=call.text("thread_ts") or None,
        user=call.app.bot_user,
        **content,
        **_signature(call),
    )
    return {"message_ts": message["ts"]}


@method("chat.update", "chat:write")
def update(call: Call) -> Json:
    room, ts = _own_message(call, "cant_update_message")
    content = _content(call, update=True)
    if "text" in content and "blocks" not in content:
        content["blocks"] = None  # text alone takes the blocks away
    if (room.id, ts) in call.workspace.streams:
        streams.abandon(call.workspace, room, ts)
    by = call.app.bot_user if content.get("text") and not content.get("blocks") else None
    message = call.workspace.edit(room.id, ts, by=by, **content)
    return {"channel": room.id, "ts": ts, "text": message.get("text", ""), "message": message}


@method("chat.delete", "chat:write")
def delete(call: Call) -> Json:
    room, ts = _own_message(call, "cant_delete_message")
    call.workspace.delete(room.id, ts)
    return {"channel": room.id, "ts": ts}


@method("chat.getPermalink", tier=0)
def get_permalink(call: Call) -> Json:
    room = call.visible_channel()
    ts = call.need("message_ts", "message_not_found")
    return {"channel": room.id, "permalink": call.workspace.permalink(room.id, ts)}


@method("chat.startStream", "chat:write", tier=2)
def start_stream(call: Call) -> Json:
    room = call.joined_channel()
    if not call.text("thread_ts"):
        raise Refused("invalid_arguments")
    if room.kind != "im":
        for name in ("recipient_team_id", "recipient_user_id"):
            call.need(name, f"missing_{name}")
    thread = _thread(call, room)
    chunks = _chunks(call)
    message = streams.start(
        call.workspace,
        call.app,
        room,
        thread or "",
        chunks,
        display=call.text("task_display_mode", "timeline"),
        signature=_signature(call),
    )
    return {"channel": room.id, "ts": message["ts"]}


@method("chat.appendStream", "chat:write", tier=4)
def append_stream(call: Call) -> Json:
    room, ts = _own_message(call, "message_not_owned_by_app")
    chunks = _chunks(call)
    if not chunks:
        raise Refused("no_text")
    streams.append(call.workspace, room, ts, chunks)
    return {"channel": room.id, "ts": ts}


@method("chat.stopStream", "chat:write", tier=2)
def stop_stream(call: Call) -> Json:
    room, ts = _own_message(call, "message_not_owned_by_app")
    blocks = call.value("blocks", "invalid_blocks_format")
    if blocks:
        check_blocks(blocks)
    metadata = call.value("metadata")
    message = streams.stop(
        call.workspace, room, ts, _chunks(call), blocks=blocks or [], metadata=metadata
    )
    return {"channel": room.id, "ts": ts, "message": message}


def _room_to_post_in(call: Call) -> Channel:
    wanted = call.need("channel", "channel_not_found")
    if wanted in call.workspace.users:
        return call.workspace.direct(call.app.bot_user, wanted)
    room = call.visible_channel(by_name=True)
    if room.is_archived:
        raise Refused("is_archived")
    open_to_all = room.kind == "public" and call.app.scopes and call.app.may("chat:write.public")
    if call.app.bot_user not in room.members and not open_to_all:
        raise Refused("not_in_channel")
    return room


def _own_message(call: Call, refusal: str) -> tuple[Channel, str]:
    room = call.visible_channel()
    ts = call.need("ts", "message_not_found")
    if call.workspace.message(room.id, ts).get("app_id") != call.app.id:
        raise Refused(refusal)
    return room, ts


def _content(call: Call, *, update: bool = False) -> Json:
    """Checked text, blocks, attachments and metadata; `text` is always there unless updating."""
    text, markdown = call.text("text"), call.text("markdown_text")
    blocks = call.value("blocks", "invalid_blocks_format")
    attachments = call.value("attachments", "invalid_attachments")
    if markdown and (text or blocks):
        raise Refused("markdown_text_conflict")
    if not (text or markdown or blocks or attachments):
        raise Refused("no_text")
    check_text(text)
    check_markdown_text(markdown)
    if blocks is not None:
        check_blocks(blocks)
        blocks = [{"block_id": call.workspace.new_block_id()} | block for block in blocks]
    if markdown:
        block_id = call.workspace.new_block_id()
        blocks = [{"type": "markdown", "block_id": block_id, "text": markdown}]
        text = markdown
    content: Json = {} if update and not text else {"text": text}
    content |= {"blocks": blocks} if blocks is not None else {}
    content |= {"attachments": attachments} if attachments is not None else {}
    metadata = call.value("metadata")
    return content | ({"metadata": metadata} if metadata else {})


def _signature(call: Call) -> Json:
    """What marks a message as the app's own."""
    app = call.app
    mark: Json = {
        "bot_id": app.bot_id,
        "app_id": app.id,
        "bot_profile": {
            "id": app.bot_id,
            "app_id": app.id,
            "name": call.text("username") or app.name,
            "deleted": False,
            "updated": 0,
            "team_id": call.workspace.team_id,
        },
    }
    for name in ("username", "icon_emoji", "icon_url"):
        if call.text(name):
            mark[name] = call.text(name)
    return mark


def _thread(call: Call, room: Channel) -> str | None:
    thread = call.text("thread_ts")
    if not thread:
        return None
    try:
        ts_key(thread)
    except ValueError:
        raise Refused("invalid_thread_ts") from None
    with call.workspace.lock:
        message = call.workspace.conversation(room.id).raw(thread)
    if message is None:
        raise Refused("thread_not_found")
    # Naming a reply puts the new message into that reply's thread.
    root: str = message.get("thread_ts") or thread
    return root


def _chunks(call: Call) -> list[Json]:
    markdown = call.text("markdown_text")
    check_markdown_text(markdown)
    chunks = call.value("chunks", "invalid_chunks")
    if chunks is not None and markdown:
        raise Refused("markdown_text_conflict")
    if markdown:
        return [{"type": "markdown_text", "text": markdown}]
    if chunks is None:
        return []
    streams.check_chunks(chunks)
    return list(chunks)
