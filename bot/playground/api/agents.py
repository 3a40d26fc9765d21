"""assistant.threads and agents.sessions calls in; what the member sees of an assistant at work out."""

from __future__ import annotations

from bot.playground.api.call import Call, method
from bot.playground.records import Channel, Json, Refused

SESSION_STATES = ("active", "processing", "suspended", "closed")


@method("assistant.threads.setStatus", "assistant:write", "chat:write", tier=0)
def set_status(call: Call) -> Json:
    room, thread = _thread(call)
    status = call.text("status")
    with call.workspace.lock:
        if status:
            call.workspace.statuses[room.id, thread] = {
                "status": status,
                "loading_messages": call.value("loading_messages") or [],
                "app_id": call.app.id,
            }
        else:
            call.workspace.statuses.pop((room.id, thread), None)
        call.workspace.show("status", channel=room.id, ts=thread)
    return {}


@method("assistant.threads.setTitle", "assistant:write")
def set_title(call: Call) -> Json:
    room, thread = _thread(call)
    _session(call, room, thread)["title"] = call.need("title")
    return {}


@method("assistant.threads.setSuggestedPrompts", "assistant:write")
def set_suggested_prompts(call: Call) -> Json:
    prompts = call.value("prompts")
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= 4:
        raise Refused("invalid_arguments")
    for prompt in prompts:
        if not isinstance(prompt, dict) or not prompt.get("title") or not prompt.get("message"):
            raise Refused("invalid_arguments")
    room = call.joined_channel("channel_id")
    if call.text("thread_ts"):
        # With the agent messaging experience Slack says ok here and shows nothing.
        return {}
    with call.workspace.lock:
        call.workspace.prompts[room.id] = {"title": call.text("title"), "prompts": prompts}
        call.workspace.show("prompts", channel=room.id)
    return {}


@method("agents.sessions.setStatus", "assistant:write", "chat:write")
def set_session_status(call: Call) -> Json:
    status = call.need("status")
    if status not in SESSION_STATES:
        raise Refused("invalid_arguments")
    room, thread = _thread(call)
    session = _session(call, room, thread)
    with call.workspace.lock:
        session["status"] = status
        if call.text("title"):
            session["title"] = _title(call)
        call.workspace.show("status", channel=room.id, ts=thread)
    return {}


@method("agents.sessions.rename", "assistant:write", "chat:write")
def rename_session(call: Call) -> Json:
    room, thread = _thread(call)
    _session(call, room, thread)["title"] = _title(call)
    return {}


def _title(call: Call) -> str:
    title = call.need("title")
    if len(title) > 200:
        raise Refused("invalid_arguments")
    return title


def _thread(call: Call) -> tuple[Channel, str]:
    room = call.joined_channel("channel_id")
    thread = call.text("thread_ts")
    with call.workspace.lock:
        message = call.workspace.conversation(room.id).raw(thread) if thread else None
    if thread and message is None:
        raise Refused("thread_not_found")
    if message is not None:
        thread = message.get("thread_ts") or thread
    if not thread and room.kind != "im":
        raise Refused("invalid_thread_ts")
    return room, thread


def _session(call: Call, room: Channel, thread: str) -> Json:
    with call.workspace.lock:
        key = (room.id, thread)
        return call.workspace.sessions.setdefault(key, {"status": "active", "app_id": call.app.id})
