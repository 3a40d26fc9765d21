"""A Slack app's manifest in; the app as installed in the fake workspace, with fresh tokens, out."""

from __future__ import annotations

import secrets
from typing import Any

from bot.playground.records import App, Json
from bot.playground.workspace import Workspace


def install(workspace: Workspace, manifest: Json | None = None, *, name: str | None = None) -> App:
    """Install the app. Without a manifest it may do and hears everything, and offers nothing."""
    manifest = manifest or {}
    features: Json = manifest.get("features") or {}
    settings: Json = manifest.get("settings") or {}
    shown: str = name or _at(features, "bot_user", "display_name") or "Lorekeeper"
    with workspace.lock:
        app_id, bot_id = workspace.new_id("A"), workspace.new_id("B")
        handle = "".join(c for c in shown.lower() if c.isalnum() or c in "-_.") or "app"
        user = workspace.add_user(
            handle, real_name=shown, is_bot=True, bot_id=bot_id, app_id=app_id
        )
        app = App(
            id=app_id,
            name=shown,
            bot_id=bot_id,
            bot_user=user.id,
            bot_token=f"xoxb-{secrets.token_urlsafe(24)}",
            app_token=f"xapp-1-{app_id}-{secrets.token_urlsafe(24)}",
            signing_secret=secrets.token_hex(16),
            verification_token=secrets.token_hex(12),
            scopes=_scopes(manifest),
            bot_events=_events(manifest, settings),
            commands=tuple(features.get("slash_commands") or ()),
            shortcuts=tuple(features.get("shortcuts") or ()),
            home_tab=bool(_at(features, "app_home", "home_tab_enabled")) if manifest else True,
            suggested_prompts=tuple(_at(features, "agent_view", "suggested_prompts") or ()),
        )
        workspace.apps[app.id] = app
        workspace.show("people")
        return app


def _scopes(manifest: Json) -> frozenset[str] | None:
    if not manifest:
        return None
    scopes = _at(manifest, "oauth_config", "scopes") or {}
    return frozenset([*(scopes.get("bot") or ()), *(scopes.get("bot_optional") or ())])


def _events(manifest: Json, settings: Json) -> frozenset[str] | None:
    if not manifest:
        return None
    return frozenset(_at(settings, "event_subscriptions", "bot_events") or ())


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
