"""Uploads, and files and canvases that members bring, in; their public shape, and who is told of them, out."""

from __future__ import annotations

import mimetypes
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bot.playground import events
from bot.playground.records import App, Channel, Json, Refused

if TYPE_CHECKING:
    from bot.playground.workspace import Workspace

MAX_BYTES = 50 * 1024 * 1024
CANVAS = "application/vnd.slack-docs"


@dataclass(slots=True, kw_only=True)
class File:
    id: str
    name: str
    size: int
    user: str
    created: int
    key: str
    title: str = ""
    content: bytes = b""
    uploaded: bool = False
    updated: int = 0
    is_canvas: bool = False
    shares: list[tuple[str, str]] = field(default_factory=list)
    """Channel and `ts` of every message that shares it."""

    @property
    def channels(self) -> list[str]:
        return list(dict.fromkeys(channel for channel, _ in self.shares))


class Files:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._files: dict[str, File] = {}

    def begin(self, name: str, size: int, user: str) -> File:
        with self._workspace.lock:
            file = File(
                id=self._workspace.new_id("F"),
                name=name,
                size=size,
                user=user,
                created=int(self._workspace.clock.now()),
                key=secrets.token_urlsafe(24),
            )
            self._files[file.id] = file
            return file

    def bring(self, name: str, content: bytes, user: str, *, canvas: bool = False) -> File:
        """A file as a member uploads it. Raises Refused(file_upload_size_restricted)."""
        if len(content) > MAX_BYTES:
            raise Refused("file_upload_size_restricted")
        file = self.begin(name, len(content), user)
        file.content, file.uploaded, file.is_canvas = content, True, canvas
        return file

    def receive(self, id: str, key: str, content: bytes) -> None:
        """Raises Refused(file_not_found) for a wrong key."""
        file = self.get(id)
        if not secrets.compare_digest(file.key, key):
            raise Refused("file_not_found")
        file.content = content
        file.uploaded = True

    def share(
        self,
        ids: list[str],
        room: Channel,
        user: str,
        *,
        text: str = "",
        thread_ts: str | None = None,
        **more: Any,
    ) -> Json:
        """Post the files there, as `file_share`, and tell the apps that are there."""
        with self._workspace.lock:
            found = [self.get(id) for id in ids]
            ts = self._workspace.new_ts()
            for file in found:
                file.shares.append((room.id, ts))
            message = self._workspace.post(
                room.id,
                user,
                text,
                ts=ts,
                thread_ts=thread_ts,
                subtype="file_share",
                upload=True,
                files=[self.as_slack(file) for file in found],
                **more,
            )
            for file in found:
                events.file(self._workspace, "shared", file, user, rooms=[room])
            return message

    def change(self, id: str, content: bytes, user: str) -> None:
        with self._workspace.lock:
            file = self.get(id)
            file.content, file.size = content, len(content)
            file.updated = int(self._workspace.clock.now())
            events.file(self._workspace, "change", file, user, rooms=self._rooms(file))

    def delete(self, id: str, user: str) -> None:
        """The file is gone everywhere; the messages that shared it stay, without it."""
        with self._workspace.lock:
            file = self.get(id)
            rooms = self._rooms(file)
            del self._files[id]
            for channel, ts in file.shares:
                gone = {"id": id, "mode": "tombstone"}
                self._workspace.edit(channel, ts, silent=True, files=[gone])
            events.file(self._workspace, "deleted", file, user, rooms=rooms)

    def message_gone(self, room: Channel, message: Json) -> None:
        """A message was deleted: what it shared is shared there no more, unless another one does."""
        for entry in message.get("files", ()):
            file = self._files.get(entry["id"])
            if file is None:
                continue
            file.shares = [share for share in file.shares if share != (room.id, message["ts"])]
            if room.id not in file.channels:
                user = str(message.get("user", ""))
                events.file(self._workspace, "unshared", file, user, rooms=[room])

    def get(self, id: str) -> File:
        with self._workspace.lock:
            if id not in self._files:
                raise Refused("file_not_found")
            return self._files[id]

    def seen_by(self, id: str, app: App) -> File:
        """The file, where the app may see it: its own, public, or where it is itself.

        Raises Refused(file_not_found).
        """
        file = self.get(id)
        seen = any(
            room.kind == "public" or app.bot_user in room.members for room in self._rooms(file)
        )
        if not seen and file.user != app.bot_user:
            raise Refused("file_not_found")
        return file

    def as_slack(self, file: File) -> Json:
        suffix = file.name.rpartition(".")[2].lower() if "." in file.name else "text"
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        rooms = self._rooms(file)
        private = f"{self._workspace.base_url}files-pri/{self._workspace.team_id}-{file.id}"
        return {
            "id": file.id,
            "created": file.created,
            "timestamp": file.created,
            "updated": file.updated or file.created,
            "name": file.name,
            "title": file.title or file.name,
            "mimetype": CANVAS if file.is_canvas else kind,
            "filetype": "quip" if file.is_canvas else suffix,
            "pretty_type": "Canvas" if file.is_canvas else suffix.upper(),
            "user": file.user,
            "size": len(file.content) or file.size,
            "mode": "quip" if file.is_canvas else "hosted",
            "is_external": False,
            "is_public": any(room.kind == "public" for room in rooms),
            "url_private": f"{private}/{file.name}",
            "url_private_download": f"{private}/download/{file.name}",
            "permalink": f"{self._workspace.base_url}files/{file.user}/{file.id}/{file.key}",
            "channels": [room.id for room in rooms if room.kind == "public"],
            "groups": [room.id for room in rooms if room.kind in ("private", "mpim")],
            "ims": [room.id for room in rooms if room.kind == "im"],
            "shares": self._shares(file),
        }

    def _shares(self, file: File) -> Json:
        found: Json = {}
        for channel, ts in file.shares:
            room = self._workspace.channel(channel)
            kind = "public" if room.kind == "public" else "private"
            found.setdefault(kind, {}).setdefault(room.id, []).append({"ts": ts})
        return found

    def _rooms(self, file: File) -> list[Channel]:
        return [self._workspace.channel(channel) for channel in file.channels]
