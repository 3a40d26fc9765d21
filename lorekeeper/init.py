"""`lore init`: two tokens in; a checked `.env` with a new key for the gateway, which only its owner can read, and a database, out."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from lorekeeper.errors import BadInput, NotReachable


def init(
    bot_token: Annotated[str, typer.Option(help="Bot token, xoxb-…; asked for when absent.")] = "",
    app_token: Annotated[str, typer.Option(help="App token, xapp-…; asked for when absent.")] = "",
    target: Annotated[Path, typer.Option(help="The file to write.")] = Path(".env"),
) -> None:
    """Set up Slack's tokens and the database."""
    if target.exists():
        raise BadInput(f"{target} is there already.", fix="Edit it, or move it away first.")
    bot_token = bot_token or typer.prompt("Bot token (xoxb-…)", hide_input=True)
    app_token = app_token or typer.prompt("App-level token (xapp-…)", hide_input=True)
    _check_shape(bot_token, "xoxb-", "bot token", "OAuth & Permissions")
    _check_shape(app_token, "xapp-", "app-level token", "Basic Information, App-Level Tokens")
    team = _greet(bot_token)
    _write_private(
        target,
        f"LORE_SLACK__BOT_TOKEN={bot_token}\nLORE_SLACK__APP_TOKEN={app_token}\n"
        f"LORE_SERVING__GATEWAY_KEY={secrets.token_urlsafe(32)}\n",
    )
    _make_database()
    typer.echo(f"Connected to {team}. The tokens are in {target}, which only you can read.")
    typer.echo("Next: `lore doctor` checks everything, `lore up` starts it.")


def _check_shape(token: str, prefix: str, name: str, page: str) -> None:
    if not token.startswith(prefix):
        raise BadInput(
            f"That is no {name}: it does not begin with {prefix}.",
            fix=f"Copy it from the app's page {page}.",
        )


def _greet(token: str) -> str:
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError

    from lorekeeper import settings

    client = WebClient(token=token, base_url=settings.load().slack.api_url)
    try:
        return str(client.auth_test()["team"])
    except SlackApiError as error:
        raise BadInput(
            f"Slack refuses the bot token: {error.response['error']}.",
            fix="Install the app to the workspace again, and copy its token.",
        ) from None
    except OSError as error:
        raise NotReachable(f"Slack does not answer: {error}.", fix="Check the network.") from None


def _write_private(target: Path, text: str) -> None:
    """Create the file readable by its owner alone, from its first byte."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _make_database() -> None:
    from lorekeeper import settings
    from lorekeeper.store import open_database

    open_database(settings.load().database_url).dispose()
