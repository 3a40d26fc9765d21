"""Chunks of an answer in; a message that grows until it is stopped, or until its time is over, out."""

from __future__ import annotations

from typing import Any

from bot.playground import events
from bot.playground.limits import check_blocks, check_markdown_text
from bot.playground.records import App, Channel, Json, Refused, Stream
from bot.playground.workspace import Workspace

MOST_BLOCKS = 50
"""Through chunks; stopStream may bring as many again."""


def check_chunks(chunks: Any) -> None:
    """Raises Refused(invalid_chunks | invalid_blocks | msg_too_long)."""
    if not isinstance(chunks, list):
        raise Refused("invalid_chunks")
    for chunk in chunks:
        kind = chunk.get("type") if isinstance(chunk, dict) else None
        if kind == "markdown_text" and isinstance(chunk.get("text"), str):
            check_markdown_text(chunk["text"])
        elif kind == "blocks" and isinstance(chunk.get("blocks"), list):
            check_blocks(chunk["blocks"])
        elif kind == "task_update" and chunk.get("id") and chunk.get("title"):
            if chunk.get("status") not in ("pending", "in_progress", "complete", "error"):
                raise Refused("invalid_chunks")
        elif kind != "plan_update" or not chunk.get("title"):
            raise Refused("invalid_chunks")


def start(
    workspace: Workspace,
    app: App,
    room: Channel,
    thread: str,
    chunks: list[Json],
    *,
    display: str,
    signature: Json,
) -> Json:
    """The new message, with `streaming_state` in_progress."""
    with workspace.lock:
        now = workspace.clock.now()
        stream = Stream(started=now, touched=now, display=display)
        _take(stream, chunks)
        message = workspace.post(
            room.id,
            app.bot_user,
            stream.text,
            thread_ts=thread,
            blocks=_blocks(stream),
            streaming_state="in_progress",
            **signature,
        )
        workspace.streams[room.id, message["ts"]] = stream
        session = workspace.sessions.setdefault((room.id, thread), {"app_id": app.id})
        session["status"] = "processing"
        return message


def append(workspace: Workspace, room: Channel, ts: str, chunks: list[Json]) -> None:
    """Raises Refused(message_not_in_streaming_state)."""
    with workspace.lock:
        stream = _running(workspace, room, ts)
        _take(stream, chunks)
        stream.touched = workspace.clock.now()
        workspace.edit(room.id, ts, silent=True, text=stream.text, blocks=_blocks(stream))


def stop(
    workspace: Workspace,
    room: Channel,
    ts: str,
    chunks: list[Json],
    *,
    blocks: list[Json],
    metadata: Json | None,
) -> Json:
    """The finished message. Raises Refused(message_not_in_streaming_state)."""
    with workspace.lock:
        stream = _running(workspace, room, ts)
        _take(stream, chunks)
        before = workspace.message(room.id, ts)
        tail = [{"block_id": workspace.new_block_id()} | block for block in blocks]
        message = workspace.edit(
            room.id,
            ts,
            silent=True,
            text=stream.text,
            blocks=_blocks(stream) + tail,
            metadata=metadata,
            streaming_state="completed",
        )
        del workspace.streams[room.id, ts]
        _release(workspace, room, message)
        events.message_changed(workspace, room, message, before)
        return message


def abandon(workspace: Workspace, room: Channel, ts: str) -> None:
    """The app writes over the streaming message: what was streamed counts no more."""
    with workspace.lock:
        workspace.streams.pop((room.id, ts), None)
        message = workspace.edit(room.id, ts, silent=True, streaming_state="completed")
        _release(workspace, room, message)


def expire(workspace: Workspace) -> None:
    """End every stream whose time is over."""
    with workspace.lock:
        for channel, ts in list(workspace.streams):
            stream = workspace.streams[channel, ts]
            if workspace.clock.now() - stream.started > workspace.stream_seconds:
                del workspace.streams[channel, ts]
                message = workspace.edit(channel, ts, silent=True, streaming_state="errored")
                _release(workspace, workspace.channel(channel), message)


def _running(workspace: Workspace, room: Channel, ts: str) -> Stream:
    expire(workspace)
    stream = workspace.streams.get((room.id, ts))
    if stream is None:
        raise Refused("message_not_in_streaming_state")
    return stream


def _take(stream: Stream, chunks: list[Json]) -> None:
    for chunk in chunks:
        if chunk["type"] == "markdown_text":
            stream.text += chunk["text"]
        elif chunk["type"] == "task_update":
            stream.tasks[chunk["id"]] = stream.tasks.get(chunk["id"], {}) | chunk
        elif chunk["type"] == "plan_update":
            stream.plan_title = chunk["title"]
        else:
            stream.blocks.extend(chunk["blocks"])
    if len(stream.blocks) > MOST_BLOCKS:
        raise Refused("invalid_blocks")


def _blocks(stream: Stream) -> list[Json]:
    tasks: list[Json] = [
        {k: v for k, v in task.items() if k not in ("id", "type")}
        | {"type": "task_card", "task_id": task["id"]}
        for task in stream.tasks.values()
    ]
    if tasks and (stream.display == "plan" or stream.plan_title):
        tasks = [{"type": "plan", "title": stream.plan_title or "Plan", "tasks": tasks}]
    text: list[Json] = [{"type": "markdown", "text": stream.text}] if stream.text else []
    return tasks + text + stream.blocks


def _release(workspace: Workspace, room: Channel, message: Json) -> None:
    session = workspace.sessions.get((room.id, message.get("thread_ts", "")))
    if session is not None:
        session["status"] = "active"
    workspace.show("status", channel=room.id, ts=message.get("thread_ts"))
