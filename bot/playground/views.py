"""Modals and Home tabs that apps open in; each member's stack of modals and Home out."""

from __future__ import annotations

import hashlib
import json
import secrets
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.playground.limits import check_view
from bot.playground.records import App, Json, Refused

if TYPE_CHECKING:
    from bot.playground.workspace import Workspace

TRIGGER_SECONDS = 3.0
MOST_MODALS = 3


@dataclass(slots=True, kw_only=True)
class Trigger:
    user: str
    app_id: str
    made: float
    used: bool = False


class Views:
    """Open views. A view is a dict in Slack's shape; `user` is beside it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._triggers: dict[str, Trigger] = {}
        self._stacks: dict[str, list[Json]] = {}
        self._homes: dict[tuple[str, str], Json] = {}

    def new_trigger(self, user: str, app: App) -> str:
        trigger_id = f"{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        with self._workspace.lock:
            self._triggers[trigger_id] = Trigger(
                user=user, app_id=app.id, made=self._workspace.clock.now()
            )
        return trigger_id

    def take_trigger(self, trigger_id: str, app: App) -> str:
        """The user who pressed. Raises Refused(invalid|expired|exchanged_trigger_id)."""
        with self._workspace.lock:
            trigger = self._triggers.get(trigger_id)
            if trigger is None or trigger.app_id != app.id:
                raise Refused("invalid_trigger_id")
            if self._workspace.clock.now() - trigger.made > TRIGGER_SECONDS:
                raise Refused("expired_trigger_id")
            if trigger.used:
                raise Refused("exchanged_trigger_id")
            trigger.used = True
            return trigger.user

    def open(self, user: str, app: App, view: Json) -> Json:
        """A new stack with this modal only. Raises Refused(invalid_arguments...)."""
        check_view(view, kinds=("modal",))
        with self._workspace.lock:
            opened = self._shape(app, view)
            opened |= {"root_view_id": opened["id"], "previous_view_id": None}
            self._stacks[user] = [opened]
            self._show(user)
            return deepcopy(opened)

    def push(self, user: str, app: App, view: Json) -> Json:
        check_view(view, kinds=("modal",))
        with self._workspace.lock:
            stack = self._stacks.setdefault(user, [])
            if len(stack) >= MOST_MODALS:
                raise Refused("push_limit_reached")
            pushed = self._shape(app, view)
            previous = stack[-1]["id"] if stack else None
            root = stack[0]["id"] if stack else pushed["id"]
            pushed |= {"root_view_id": root, "previous_view_id": previous}
            stack.append(pushed)
            self._show(user)
            return deepcopy(pushed)

    def update(
        self,
        app: App,
        view: Json,
        *,
        view_id: str | None = None,
        external_id: str | None = None,
        hash: str | None = None,
    ) -> Json:
        """Raises Refused(not_found | hash_conflict)."""
        check_view(view, kinds=("modal",))
        with self._workspace.lock:
            for user, stack in self._stacks.items():
                for place, old in enumerate(stack):
                    if view_id == old["id"] or (external_id and external_id == old["external_id"]):
                        if hash and hash != old["hash"]:
                            raise Refused("hash_conflict")
                        kept = {k: old[k] for k in ("id", "root_view_id", "previous_view_id")}
                        stack[place] = self._shape(app, view) | kept
                        self._show(user)
                        return deepcopy(stack[place])
        raise Refused("not_found")

    def publish(self, user: str, app: App, view: Json, hash: str | None = None) -> Json:
        check_view(view, kinds=("home",))
        with self._workspace.lock:
            old = self._homes.get((app.id, user))
            if hash and old is not None and hash != old["hash"]:
                raise Refused("hash_conflict")
            shape = self._shape(app, view)
            kept = old["id"] if old else shape["id"]
            shape |= {"id": kept, "root_view_id": kept, "previous_view_id": None}
            self._homes[app.id, user] = shape
            self._workspace.show("home", user=user)
            return deepcopy(shape)

    def home(self, app_id: str, user: str) -> Json | None:
        with self._workspace.lock:
            return deepcopy(self._homes.get((app_id, user)))

    def top(self, user: str) -> Json | None:
        """The modal that the member sees."""
        with self._workspace.lock:
            stack = self._stacks.get(user)
            return deepcopy(stack[-1]) if stack else None

    def find(self, user: str, view_id: str) -> Json:
        """One of the member's open views (Home too). Raises Refused(not_found)."""
        with self._workspace.lock:
            homes = [v for (_, owner), v in self._homes.items() if owner == user]
            for view in [*self._stacks.get(user, []), *homes]:
                if view["id"] == view_id:
                    return deepcopy(view)
        raise Refused("not_found")

    def close(self, user: str, view_id: str, *, all: bool = False) -> list[Json]:
        """Take the modal away (`all`: the whole stack); those that went, topmost first."""
        with self._workspace.lock:
            stack = self._stacks.get(user, [])
            gone = stack if all else [view for view in stack if view["id"] == view_id]
            self._stacks[user] = [view for view in stack if view not in gone]
            if gone:
                self._show(user)
            return list(reversed(gone))

    def _show(self, user: str) -> None:
        self._workspace.show("modal", user=user)

    def _shape(self, app: App, view: Json) -> Json:
        blocks = deepcopy(view.get("blocks", []))
        for block in blocks:
            block.setdefault("block_id", self._workspace.new_block_id())
        stamp = f"{self._workspace.new_ts()}{json.dumps(blocks, sort_keys=True)}"
        return {
            "id": self._workspace.new_id("V"),
            "team_id": self._workspace.team_id,
            "type": view["type"],
            "blocks": blocks,
            "private_metadata": view.get("private_metadata", ""),
            "callback_id": view.get("callback_id", ""),
            "external_id": view.get("external_id", ""),
            "state": {"values": {}},
            "hash": hashlib.sha256(stamp.encode()).hexdigest()[:16],
            "title": view.get("title") or {"type": "plain_text", "text": "View Title"},
            "clear_on_close": bool(view.get("clear_on_close")),
            "notify_on_close": bool(view.get("notify_on_close")),
            "close": view.get("close"),
            "submit": view.get("submit"),
            "app_id": app.id,
            "app_installed_team_id": self._workspace.team_id,
            "bot_id": app.bot_id,
        }
