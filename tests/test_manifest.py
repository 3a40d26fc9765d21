"""The app's manifest and the listeners in; the same events, commands, shortcuts and scopes on both sides out."""

from __future__ import annotations

import re
from pathlib import Path

from bot import manifest
from bot.listeners.commands import COMMANDS
from bot.listeners.events import EVENTS
from bot.listeners.shortcuts import SHORTCUTS
from bot.playground.api.call import METHODS

ROOT = Path(__file__).parents[1]
MANIFEST = manifest.read()
SCOPES = set(MANIFEST["oauth_config"]["scopes"]["bot"])

MESSAGES = {"message.channels", "message.groups", "message.im", "message.mpim"}
EVENT_SCOPES = {
    "app_mention": {"app_mentions:read"},
    "message.channels": {"channels:history"},
    "message.groups": {"groups:history"},
    "message.im": {"im:history"},
    "message.mpim": {"mpim:history"},
    "reaction_added": {"reactions:read"},
    "reaction_removed": {"reactions:read"},
    "pin_added": {"pins:read"},
    "pin_removed": {"pins:read"},
    "file_shared": {"files:read"},
    "file_change": {"files:read"},
    "file_unshared": {"files:read"},
    "file_deleted": {"files:read"},
    "member_joined_channel": {"channels:read", "groups:read"},
    "member_left_channel": {"channels:read", "groups:read"},
    "channel_left": {"channels:read"},
    "channel_deleted": {"channels:read"},
    "channel_rename": {"channels:read"},
    "channel_shared": {"channels:read", "groups:read"},
    "channel_unshared": {"channels:read", "groups:read"},
    "group_left": {"groups:read"},
    "group_deleted": {"groups:read"},
    "group_rename": {"groups:read"},
    "user_change": {"users:read"},
    "agent_session_stopped": {"assistant:write"},
    "app_context_changed": {"assistant:write"},
    "app_home_opened": set(),
    "app_uninstalled": set(),
    "tokens_revoked": set(),
}
"""What Slack asks for each event, from its reference."""

METHOD_SCOPES = {
    "conversations_history": {"channels:history", "groups:history", "im:history", "mpim:history"},
    "conversations_replies": {"channels:history", "groups:history", "im:history", "mpim:history"},
    "conversations_info": {"channels:read", "groups:read", "im:read", "mpim:read"},
    "conversations_members": {"channels:read", "groups:read", "mpim:read"},
    "users_conversations": {"channels:read", "groups:read", "mpim:read"},
    "chat_postMessage": {"chat:write", "im:write"},  # to a person: opens the direct message
    "usergroups_users_list": {"usergroups:read"},
    "files_upload_v2": {"files:write"},  # slack_sdk's name for three calls
}
"""Methods that need more than one scope, or another one than the playground asks."""


def test_every_listener_is_subscribed_and_every_subscription_has_a_listener():
    subscribed = set(MANIFEST["settings"]["event_subscriptions"]["bot_events"])
    assert subscribed >= MESSAGES
    assert (subscribed - MESSAGES) | {"message"} == set(EVENTS)


def test_commands_and_shortcuts_are_the_listeners():
    features = MANIFEST["features"]
    assert {c["command"] for c in features["slash_commands"]} == set(COMMANDS)
    assert {s["callback_id"] for s in features["shortcuts"]} == set(SHORTCUTS)


def test_the_scopes_are_those_that_events_methods_and_features_need_and_no_more():
    events = MANIFEST["settings"]["event_subscriptions"]["bot_events"]
    needed = {scope for event in events for scope in EVENT_SCOPES[event]}
    needed |= {scope for method in called() for scope in scopes_of(method)}
    needed |= {"commands", "assistant:write"}  # slash commands and shortcuts; the agent's view
    assert needed == SCOPES


def test_the_texts_are_within_slacks_limits():
    about, features = MANIFEST["display_information"], MANIFEST["features"]
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert len(features["agent_view"]["agent_description"]) <= 300
    assert len(features["agent_view"]["suggested_prompts"]) <= 4
    assert all(len(shortcut["name"]) <= 24 for shortcut in features["shortcuts"])


def test_it_needs_no_public_address():
    assert MANIFEST["settings"]["socket_mode_enabled"]
    assert MANIFEST["settings"]["interactivity"] == {"is_enabled": True}


def called() -> set[str]:
    """The Web API methods that the bot's source names, as slack_sdk calls them."""
    names = {method.replace(".", "_") for method in METHODS}
    source = [
        path.read_text("utf-8")
        for path in (ROOT / "bot").rglob("*.py")
        if not {"playground", "demo"} & set(path.relative_to(ROOT / "bot").parts)
    ]
    words = {word for text in source for word in re.findall(r"\b[a-z]+_\w+\b", text)}
    found = words & (names | set(METHOD_SCOPES))
    streamed = {"chat_startStream", "chat_appendStream", "chat_stopStream"}  # by chat_stream
    return found | streamed


def scopes_of(method: str) -> set[str]:
    if method in METHOD_SCOPES:
        return METHOD_SCOPES[method]
    known = next(m for name, m in METHODS.items() if name.replace(".", "_") == method)
    return set(known.scopes[:1])
