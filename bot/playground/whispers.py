"""Ephemeral messages in; those that one member sees out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.playground.markup import escaped
from bot.playground.records import Json

if TYPE_CHECKING:
    from bot.playground.workspace import Workspace


class Whispers:
    """Messages that only one member sees. They are in no history and make no event."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._messages: dict[str, list[Json]] = {}

    def add(
        self, channel: str, to: str, text: str, *, thread_ts: str | None = None, **fields: Any
    ) -> Json:
        """`fields` are further fields of the message (`user`, `blocks`, `app_id`...)."""
        workspace = self._workspace
        with workspace.lock:
            room = workspace.channel(channel)
            message: Json = {
                "type": "message",
                "text": escaped(text),
                "ts": workspace.new_ts(),
                "is_ephemeral": True,
                "to": workspace.user(to).id,
            }
            message |= {"thread_ts": thread_ts} if thread_ts else {}
            message |= {name: value for name, value in fields.items() if value is not None}
            self._messages.setdefault(room.id, []).append(message)
            self._show("message", room.id, message)
            return message

    def replace(self, channel: str, ts: str, content: Json) -> bool:
        """Put `content` in place of text and blocks; False if there is no such message."""
        with self._workspace.lock:
            message = self.find(channel, ts)
            if message is None:
                return False
            message.pop("blocks", None)
            message |= content
            self._show("message", channel, message)
            return True

    def remove(self, channel: str, ts: str) -> bool:
        """False if there is no such message."""
        with self._workspace.lock:
            message = self.find(channel, ts)
            if message is None:
                return False
            self._messages[channel].remove(message)
            self._show("deleted", channel, message)
            return True

    def to(self, channel: str, user: str) -> list[Json]:
        with self._workspace.lock:
            return [dict(m) for m in self._messages.get(channel, []) if m["to"] == user]

    def find(self, channel: str, ts: str) -> Json | None:
        with self._workspace.lock:
            return next((m for m in self._messages.get(channel, []) if m["ts"] == ts), None)

    def _show(self, what: str, channel: str, message: Json) -> None:
        self._workspace.show(what, channel=channel, ts=message["ts"], user=message["to"])
