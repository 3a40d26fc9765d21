"""Names and flags in; the people, channels, apps and views of the fake workspace out, each able to show itself in Slack's shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
Kind = Literal["public", "private", "im", "mpim"]

CHANNEL_TYPE = {"public": "channel", "private": "group", "im": "im", "mpim": "mpim"}
"""What an event's `channel_type` calls each kind."""


class Refused(Exception):
    """Slack says no: `code` is the `error` of the answer, `extra` its other fields."""

    def __init__(
        self, code: str, *, status: int = 200, headers: dict[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.headers = headers or {}
        self.extra = extra

    def answer(self) -> Json:
        return {"ok": False, "error": self.code, **self.extra}


@dataclass(slots=True, kw_only=True)
class User:
    """A member, a guest or a bot user."""

    id: str
    team_id: str
    name: str
    real_name: str
    display_name: str = ""
    email: str | None = None
    title: str = ""
    tz: str = "UTC"
    is_admin: bool = False
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    deleted: bool = False
    bot_id: str | None = None
    app_id: str | None = None
    updated: int = 0

    @property
    def shown_name(self) -> str:
        return self.display_name or self.real_name or self.name

    def as_slack(self, *, with_email: bool = True) -> Json:
        profile: Json = {
            "real_name": self.real_name,
            "real_name_normalized": self.real_name,
            "display_name": self.display_name,
            "display_name_normalized": self.display_name,
            "title": self.title,
            "team": self.team_id,
        }
        if self.email and with_email:
            profile["email"] = self.email
        if self.is_bot:
            profile |= {"bot_id": self.bot_id, "api_app_id": self.app_id}
        return {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "deleted": self.deleted,
            "real_name": self.real_name,
            "tz": self.tz,
            "tz_offset": 0,
            "profile": profile,
            "is_admin": self.is_admin,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": self.is_ultra_restricted,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": self.updated,
        }


@dataclass(slots=True, kw_only=True)
class Channel:
    """A public or private channel, a direct message (im) or a group direct message (mpim)."""

    id: str
    name: str
    kind: Kind
    creator: str
    created: int
    members: list[str] = field(default_factory=list)
    topic: str = ""
    purpose: str = ""
    is_archived: bool = False
    is_general: bool = False
    is_ext_shared: bool = False
    pins: list[str] = field(default_factory=list)

    @property
    def channel_type(self) -> str:
        return CHANNEL_TYPE[self.kind]

    def as_slack(self, *, viewer: str) -> Json:
        shape: Json = {
            "id": self.id,
            "created": self.created,
            "creator": self.creator,
            "is_archived": self.is_archived,
            "is_channel": self.kind == "public",
            "is_group": self.kind == "private",
            "is_im": self.kind == "im",
            "is_mpim": self.kind == "mpim",
            "is_private": self.kind != "public",
            "is_general": self.is_general,
            "is_member": viewer in self.members,
            "is_shared": self.is_ext_shared,
            "is_ext_shared": self.is_ext_shared,
            "is_org_shared": False,
        }
        if self.kind == "im":
            others = [user for user in self.members if user != viewer]
            return shape | {"user": others[0] if others else viewer, "is_open": True}
        return shape | {
            "name": self.name,
            "name_normalized": self.name,
            "num_members": len(self.members),
            "topic": {"value": self.topic, "creator": "", "last_set": 0},
            "purpose": {"value": self.purpose, "creator": "", "last_set": 0},
        }


@dataclass(slots=True, kw_only=True)
class UserGroup:
    id: str
    handle: str
    name: str
    users: list[str] = field(default_factory=list)

    def as_slack(self, *, team_id: str, with_users: bool) -> Json:
        shape: Json = {
            "id": self.id,
            "team_id": team_id,
            "is_usergroup": True,
            "name": self.name,
            "handle": self.handle,
            "description": "",
            "is_external": False,
            "date_delete": 0,
            "user_count": len(self.users),
        }
        return shape | ({"users": list(self.users)} if with_users else {})


@dataclass(slots=True, kw_only=True)
class Stream:
    """A message that an app is still writing."""

    started: float
    touched: float
    text: str = ""
    blocks: list[Json] = field(default_factory=list)
    tasks: dict[str, Json] = field(default_factory=dict)
    plan_title: str | None = None
    display: str = "timeline"


@dataclass(slots=True, kw_only=True)
class App:
    """An installed app: what it may do and what it is told."""

    id: str
    name: str
    bot_id: str
    bot_user: str
    bot_token: str
    app_token: str
    signing_secret: str
    verification_token: str
    scopes: frozenset[str] | None = None
    """None: every scope (no manifest was given)."""
    bot_events: frozenset[str] | None = None
    """None: every event."""
    commands: tuple[Json, ...] = ()
    shortcuts: tuple[Json, ...] = ()
    home_tab: bool = True
    suggested_prompts: tuple[Json, ...] = ()
    events_url: str | None = None
    interactivity_url: str | None = None

    def may(self, *needed: str) -> bool:
        """Whether the token has one of `needed` scopes (or none is needed)."""
        return self.scopes is None or not needed or bool(self.scopes.intersection(needed))

    def hears(self, *names: str) -> bool:
        return self.bot_events is None or bool(self.bot_events.intersection(names))
