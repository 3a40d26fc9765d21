"""Uploads in; files and their public shape out."""

from __future__ import annotations

import mimetypes
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.playground.records import Json, Refused

if TYPE_CHECKING:
    from bot.playground.workspace import Workspace

MAX_BYTES = 50 * 1024 * 1024


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
    channels: list[str] = field(default_factory=list)


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

    def receive(self, id: str, key: str, content: bytes) -> None:
        """Raises Refused(file_not_found) for a wrong key."""
        file = self.get(id)
        if not secrets.compare_digest(file.key, key):
            raise Refused("file_not_found")
        file.content = content
        file.uploaded = True

    def get(self, id: str) -> File:
        with self._workspace.lock:
            if id not in self._files:
                raise Refused("file_not_found")
            return self._files[id]

    def as_slack(self, file: File) -> Json:
        suffix = file.name.rpartition(".")[2].lower() if "." in file.name else "text"
        return {
            "id": file.id,
            "created": file.created,
            "timestamp": file.created,
            "name": file.name,
            "title": file.title or file.name,
            "mimetype": mimetypes.guess_type(file.name)[0] or "application/octet-stream",
            "filetype": suffix,
            "pretty_type": suffix.upper(),
            "user": file.user,
            "size": len(file.content) or file.size,
            "mode": "hosted",
            "is_external": False,
            "is_public": bool(file.channels),
            "url_private": f"{self._workspace.base_url}files/{file.id}/{file.key}",
            "url_private_download": f"{self._workspace.base_url}files/{file.id}/{file.key}",
            "permalink": f"{self._workspace.base_url}files/{file.id}/{file.key}",
            "channels": list(file.channels),
        }
