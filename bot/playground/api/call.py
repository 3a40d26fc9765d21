"""A request to /api/METHOD in; its arguments, its app and the channels it may see out."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.playground.records import App, Channel, Json, Refused
from bot.playground.workspace import Workspace

HISTORY = {
    "public": "channels:history",
    "private": "groups:history",
    "im": "im:history",
    "mpim": "mpim:history",
}
READ = {"public": "channels:read", "private": "groups:read", "im": "im:read", "mpim": "mpim:read"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    workspace: Workspace
    app: App
    args: Json
    base_url: str

    def text(self, name: str, default: str = "") -> str:
        value = self.args.get(name)
        return default if value is None else str(value)

    def need(self, name: str, error: str = "invalid_arguments") -> str:
        """An argument that must be there. Raises Refused(error)."""
        value = self.text(name)
        if not value:
            raise Refused(error)
        return value

    def number(self, name: str, default: int, *, most: int) -> int:
        """Raises Refused(invalid_limit)."""
        raw = self.args.get(name)
        if raw is None or raw == "":
            return default
        try:
            number = int(raw)
        except (TypeError, ValueError):
            raise Refused("invalid_limit") from None
        if number < 1:
            raise Refused("invalid_limit")
        return min(number, most)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.args.get(name)
        if value is None:
            return default
        return value in (True, 1, "1", "true", "True")

    def value(self, name: str, error: str = "invalid_arguments") -> Any:
        """An argument that is JSON: as it came in a JSON body, or as text in a form."""
        value = self.args.get(name)
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise Refused(error) from None

    def needs(self, *scopes: str) -> None:
        """Raises Refused(missing_scope) when the token has none of `scopes`."""
        if not self.app.may(*scopes):
            provided = ",".join(sorted(self.app.scopes or ()))
            raise Refused("missing_scope", needed=",".join(scopes), provided=provided)

    def visible_channel(self, name: str = "channel", *, by_name: bool = False) -> Channel:
        """A channel that the app can see. Raises Refused(channel_not_found).

        As in Slack, only posting takes a channel's name in place of its id.
        """
        wanted = self.need(name, "channel_not_found")
        if wanted not in self.workspace.channels and not by_name:
            raise Refused("channel_not_found")
        channel = self.workspace.channel(wanted)
        if channel.kind != "public" and self.app.bot_user not in channel.members:
            raise Refused("channel_not_found")
        return channel

    def joined_channel(self, name: str = "channel") -> Channel:
        """A channel that the app is in. Raises Refused(channel_not_found | not_in_channel)."""
        channel = self.visible_channel(name)
        if self.app.bot_user not in channel.members:
            raise Refused("not_in_channel")
        return channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    run: Callable[[Call], Json]
    scopes: tuple[str, ...]
    tier: int
    """Slack's rate tier; 0: special (auth.test, chat.postMessage)."""
    app_token: bool = False


METHODS: dict[str, Method] = {}


def method(
    name: str, *scopes: str, tier: int = 3, app_token: bool = False
) -> Callable[[Callable[[Call], Json]], Callable[[Call], Json]]:
    """Register a Web API method; the token must have one of `scopes`."""

    def register(run: Callable[[Call], Json]) -> Callable[[Call], Json]:
        METHODS[name] = Method(run=run, scopes=scopes, tier=tier, app_token=app_token)
        return run

    return register


def page(rows: Sequence[Any], cursor: str, limit: int) -> tuple[list[Any], str]:
    """One page of rows and the cursor of the next ("" at the end). Raises Refused(invalid_cursor)."""
    start = _offset(cursor)
    if start > len(rows):
        raise Refused("invalid_cursor")
    end = start + limit
    return list(rows[start:end]), pointer(f"offset:{end}") if end < len(rows) else ""


def pointer(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def read_pointer(cursor: str, kind: str) -> str:
    """What `pointer("kind:...")` held. Raises Refused(invalid_cursor)."""
    try:
        name, _, rest = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise Refused("invalid_cursor") from None
    if name != kind or not rest:
        raise Refused("invalid_cursor")
    return rest


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    rest = read_pointer(cursor, "offset")
    if not rest.isdigit():
        raise Refused("invalid_cursor")
    return int(rest)
