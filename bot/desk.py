"""Settings in; what every part of the bot works with out: database, Slack client, access, inbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import (
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)
from sqlalchemy import Engine

from bot.access import Access
from bot.alike import Library
from bot.asking import Asking
from bot.inbox import Inbox
from lorekeeper.errors import BadInput, NotReachable
from lorekeeper.placeholders import ThreadPlaceholders
from lorekeeper.settings import Settings

Json = dict[str, Any]
"""A payload of Slack's, as it came. Only listeners and the files beside them see one."""

RATE_LIMIT_RETRIES = 7  # a backfill meets many of them; each waits as long as Slack says


SERVER_ERROR_RETRIES = 5  # with growing pauses; at one failure in twenty, none in millions is left


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who the bot is in this workspace."""

    user: str
    bot: str
    team: str
    url: str  # of the workspace; links to messages begin with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What lies before everyone who works here."""

    engine: Engine
    settings: Settings
    client: WebClient
    me: Me
    access: Access
    inbox: Inbox
    library: Library
    asking: Asking = field(default_factory=Asking)
    placeholders: ThreadPlaceholders = field(default_factory=ThreadPlaceholders)


def set_up(settings: Settings, engine: Engine) -> Desk:
    """Ask Slack who the bot is, and lay everything out.

    Raises:
        BadInput: the token is missing or Slack refuses it.
        NotReachable: Slack does not answer.
    """
    client = connect(settings)
    me = _who_am_i(client)
    return Desk(
        engine=engine,
        settings=settings,
        client=client,
        me=me,
        access=Access(client, settings.bot, team=me.team),
        inbox=Inbox(engine, threads=settings.bot.threads),
        library=Library(engine),
    )


def connect(settings: Settings) -> WebClient:
    """A client that waits when Slack says so, and tries again when Slack fails."""
    client = WebClient(
        token=settings.slack.bot_token.get_secret_value(), base_url=settings.slack.api_url
    )
    client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=RATE_LIMIT_RETRIES))
    client.retry_handlers.append(ServerErrorRetryHandler(max_retry_count=SERVER_ERROR_RETRIES))
    return client


def _who_am_i(client: WebClient) -> Me:
    if not client.token:
        raise BadInput(
            "There is no bot token.", fix="Set LORE_SLACK__BOT_TOKEN to the app's `xoxb-…` token."
        )
    try:
        found = client.auth_test()
    except SlackApiError as error:
        raise BadInput(
            f"Slack refuses the bot token: {error.response['error']}.",
            fix="Copy it again from the app's page, `OAuth & Permissions`, and reinstall the app.",
        ) from None
    except OSError as error:
        raise NotReachable(
            f"Slack does not answer at {client.base_url}: {error}.",
            fix="Check the network, and LORE_SLACK__API_URL.",
        ) from error
    return Me(user=found["user_id"], bot=found["bot_id"], team=found["team_id"], url=found["url"])
