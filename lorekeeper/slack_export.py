"""A Slack export, zip or folder, in; its people, channels and messages out, read day by day.

Slack's layout: `channels.json`, `groups.json`, `dms.json`, `mpims.json`, `users.json`, and a folder
for each conversation (named by the channel, by the id for direct messages) with a file a day.
Replies stand in the file of their own day, so threads are joined by `thread_ts` alone.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from lorekeeper.errors import BadInput

MAX_FILE = 256 * 2**20  # bytes of one day's JSON; the largest real ones have a few MB
MAX_RATIO = 200  # unpacked to packed; Slack's JSON packs about 10 to 1
RATIO_FROM = 2**20  # bytes below which a ratio means nothing
TOMBSTONE = "tombstone"  # a deleted message whose replies were kept
PLAIN = frozenset({None, "file_share", "thread_broadcast", "me_message", "bot_message"})
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\.json")
_LISTS = (
    ("channels.json", False, False),
    ("groups.json", True, False),
    ("mpims.json", True, True),
    ("dms.json", True, True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportUser:
    id: str
    name: str
    real_name: str
    is_bot: bool
    is_guest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportChannel:
    id: str
    name: str
    folder: str
    is_private: bool
    is_direct: bool
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportMessage:
    """A message of a person or an app; `text` is Slack's markup as exported."""

    channel: str
    ts: str
    user: str  # empty where the export names nobody
    text: str
    thread_ts: str | None
    is_bot: bool
    edited_ts: str | None


class Export:
    """One export. `skipped` counts what was left out, by reason, as it is read."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self.skipped: Counter[str] = Counter()
        self.deleted: list[
            tuple[str, str]
        ] = []  # channel and `ts` of the tombstones that were read
        self.problems: list[str] = []
        self.users = tuple(_user(entry) for entry in self._list("users.json"))
        self.channels = tuple(
            _channel(entry, private=private, direct=direct)
            for name, private, direct in _LISTS
            for entry in self._list(name)
        )

    def messages(self, channel: ExportChannel) -> Iterator[ExportMessage]:
        """The channel's messages, oldest day first; a day that cannot be read is a problem, named."""
        for name in self._source.days(channel.folder):
            for position, entry in enumerate(self._day(name), 1):
                if not isinstance(entry, dict) or not isinstance(entry.get("ts"), str):
                    self.problems.append(f"{name}: entry {position} is not a message.")
                    continue
                if entry.get("subtype") == TOMBSTONE:
                    self.deleted.append((channel.id, entry["ts"]))
                if entry.get("subtype") not in PLAIN:
                    self.skipped[str(entry["subtype"])] += 1
                    continue
                yield _message(channel.id, entry)

    def _day(self, name: str) -> list[Any]:
        try:
            found = json.loads(self._source.read(name))
        except (ValueError, zipfile.BadZipFile) as error:
            self.problems.append(f"{name}: cannot be read as JSON ({error}).")
            return []
        if not isinstance(found, list):
            self.problems.append(f"{name}: is not a list of messages.")
            return []
        return found

    def _list(self, name: str) -> list[dict[str, Any]]:
        if not self._source.has(name):
            return []
        try:
            found = json.loads(self._source.read(name))
        except ValueError as error:
            raise BadInput(
                f"{name} of the export is not valid JSON: {error}.", fix="Export it again."
            ) from None
        if not isinstance(found, list):
            raise BadInput(f"{name} of the export is not a list.", fix="Export it again.")
        return [entry for entry in found if isinstance(entry, dict) and entry.get("id")]


def open_export(path: Path) -> Export:
    """Open a zip or an unpacked folder.

    Raises:
        BadInput: it is not there, not an export, damaged, encrypted, or would unpack to far more
            than a Slack export does.
    """
    if not path.exists():
        raise BadInput(f"There is no file {path}.", fix="Give the path of a Slack export.")
    source: _Source = _Folder(path) if path.is_dir() else _Zip(path)
    if not source.has("channels.json") and not source.has("groups.json"):
        raise BadInput(
            f"{path} has no channels.json, so it is not a Slack export.",
            fix="In Slack: Settings, Import/Export Data, Export. Give the zip as it comes.",
        )
    export = Export(source)
    if not export.channels:
        raise BadInput(
            f"The export {path} names no channel.", fix="Export a workspace with messages."
        )
    return export


class _Source(Protocol):
    def has(self, name: str) -> bool: ...
    def read(self, name: str) -> bytes: ...
    def days(self, folder: str) -> list[str]: ...


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def has(self, name: str) -> bool:
        return (self._root / name).is_file()

    def read(self, name: str) -> bytes:
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root):
            raise BadInput(f"{name} leads out of the export.", fix="Export it again.")
        return path.read_bytes()

    def days(self, folder: str) -> list[str]:
        inside = self._root / folder
        if not inside.is_dir():
            return []
        return sorted(f"{folder}/{f.name}" for f in inside.iterdir() if _DAY.fullmatch(f.name))


class _Zip:
    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise BadInput(
                f"{path} cannot be opened as a zip: {error}.",
                fix="It may be cut off: download the export again.",
            ) from None
        entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
        for entry in entries:
            refuse_dangerous(entry)
        names = [entry.filename for entry in entries]
        self._top = _common_top(names)
        self._names = {name.removeprefix(self._top): name for name in names}

    def has(self, name: str) -> bool:
        return name in self._names

    def read(self, name: str) -> bytes:
        with self._zip.open(self._names[name]) as file:
            data = file.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise BadInput(f"{name} is larger than its entry says.", fix="Export it again.")
        return data

    def days(self, folder: str) -> list[str]:
        return sorted(
            name
            for name in self._names
            if name.startswith(f"{folder}/") and _DAY.fullmatch(name.removeprefix(f"{folder}/"))
        )


def refuse_dangerous(entry: zipfile.ZipInfo) -> None:
    parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
    if entry.filename.startswith("/") or ".." in parts:
        raise BadInput(
            f"The zip holds the path {entry.filename!r}, which leads out of it.",
            fix="That is no export that Slack made; do not use it.",
        )
    if entry.flag_bits & 0x1:
        raise BadInput(f"{entry.filename} is encrypted.", fix="Unpack it, and give the folder.")
    bomb = entry.file_size > RATIO_FROM and entry.file_size > MAX_RATIO * entry.compress_size
    if bomb or entry.file_size > MAX_FILE:
        raise BadInput(
            f"{entry.filename} would unpack from {entry.compress_size} to {entry.file_size} bytes.",
            fix="That is no export that Slack made; do not use it.",
        )


def _common_top(names: list[str]) -> str:
    """A folder that the whole export was packed in, as some tools do."""
    found = [name for name in names if name.split("/")[-1] == "channels.json"]
    return min(found, key=len).removesuffix("channels.json") if found else ""


def _user(entry: dict[str, Any]) -> ExportUser:
    profile = entry.get("profile") or {}
    name = str(entry.get("name") or entry["id"])
    return ExportUser(
        id=str(entry["id"]),
        name=name,
        real_name=str(entry.get("real_name") or profile.get("real_name") or name),
        is_bot=bool(entry.get("is_bot")),
        is_guest=bool(entry.get("is_restricted") or entry.get("is_ultra_restricted")),
    )


def _channel(entry: dict[str, Any], *, private: bool, direct: bool) -> ExportChannel:
    name = str(entry.get("name") or entry["id"])
    return ExportChannel(
        id=str(entry["id"]),
        name=name,
        folder=name,
        is_private=private,
        is_direct=direct,
        members=tuple(str(member) for member in entry.get("members") or ()),
    )


def _message(channel: str, entry: dict[str, Any]) -> ExportMessage:
    edited = entry.get("edited") or {}
    return ExportMessage(
        channel=channel,
        ts=entry["ts"],
        user=str(entry.get("user") or ""),
        text=str(entry.get("text") or ""),
        thread_ts=entry.get("thread_ts"),
        is_bot=bool(entry.get("bot_id") or entry.get("subtype") == "bot_message"),
        edited_ts=edited.get("ts"),
    )
