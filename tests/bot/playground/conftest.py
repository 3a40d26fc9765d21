"""A running playground with a few people, and real slack_bolt apps connected to it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from bot.playground.clocks import HandClock
from bot.playground.server import Playground
from bot.playground.workspace import Workspace

MANIFEST = {
    "features": {
        "bot_user": {"display_name": "lore"},
        "app_home": {"home_tab_enabled": True},
        "slash_commands": [{"command": "/lore", "description": "What the team knows"}],
        "shortcuts": [
            {"type": "message", "name": "Keep this", "callback_id": "keep", "description": "-"},
            {"type": "global", "name": "Ask", "callback_id": "ask", "description": "-"},
        ],
    },
    "oauth_config": {
        "scopes": {
            "bot": [
                "app_mentions:read",
                "assistant:write",
                "channels:history",
                "channels:join",
                "channels:read",
                "chat:write",
                "commands",
                "files:read",
                "files:write",
                "groups:history",
                "groups:read",
                "im:history",
                "im:read",
                "im:write",
                "mpim:history",
                "mpim:read",
                "pins:read",
                "reactions:read",
                "reactions:write",
                "team:read",
                "usergroups:read",
                "users:read",
                "users:read.email",
            ]
        }
    },
    "settings": {
        "event_subscriptions": {
            "bot_events": [
                "app_mention",
                "app_home_opened",
                "agent_session_stopped",
                "channel_rename",
                "file_change",
                "file_deleted",
                "file_shared",
                "file_unshared",
                "message.channels",
                "message.groups",
                "message.im",
                "member_joined_channel",
                "pin_added",
                "pin_removed",
                "reaction_added",
                "reaction_removed",
            ]
        }
    },
}


def people(workspace: Workspace) -> Workspace:
    for name in ("ann", "bob"):
        workspace.add_user(name, is_admin=name == "ann")
    workspace.add_user("gus", guest=True)
    workspace.add_channel("general", members=["ann", "bob"])
    workspace.add_channel("help", members=["ann", "bob", "gus"])
    workspace.add_channel("secret", private=True, members=["ann"])
    return workspace


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def slack() -> Iterator[Playground]:
    """Served on the real clock; the app `lore` is installed and is in #general."""
    playground = Playground(people(Workspace()))
    app = playground.install(MANIFEST)
    playground.workspace.channel("general").members.append(app.bot_user)
    with playground.start():
        yield playground


@pytest.fixture
def still(clock: HandClock) -> Iterator[Playground]:
    """The same, on a clock that the test moves."""
    playground = Playground(people(Workspace(clock=clock)))
    app = playground.install(MANIFEST)
    playground.workspace.channel("general").members.append(app.bot_user)
    with playground.start():
        yield playground


@pytest.fixture
def client(slack: Playground) -> WebClient:
    return WebClient(token=slack.bot_token, base_url=slack.api_url)


@pytest.fixture
def bolt(slack: Playground) -> App:
    """A real app, not yet connected; `connect` connects it."""
    logger = logging.getLogger("bolt-in-tests")
    logger.setLevel(logging.CRITICAL)
    client = WebClient(token=slack.bot_token, base_url=slack.api_url)
    return App(client=client, signing_secret=slack.signing_secret, logger=logger)


@pytest.fixture
def connect(slack: Playground) -> Iterator[Callable[[App], SocketModeHandler]]:
    handlers: list[SocketModeHandler] = []

    def connect(app: App) -> SocketModeHandler:
        handler = SocketModeHandler(app, slack.app_token, web_client=app.client, logger=app.logger)
        handler.connect()
        handlers.append(handler)
        assert slack.sockets.wait_for_connection(slack.app)
        return handler

    yield connect
    slack.hang_up(*handlers)
