"""What only a part above knows, asked for from below: its function, found by name and loaded only now."""

from __future__ import annotations

from importlib import import_module

from sqlalchemy import Engine

from lorekeeper.settings import Settings


def scopes_seen_by(user: str, settings: Settings, engine: Engine) -> frozenset[str]:
    """What this Slack user may be quoted where nobody else reads along, as Slack says at this moment.

    Raises:
        BadInput: there is no token, or Slack refuses it.
        NotFound: Slack knows no such user.
        NotReachable: Slack does not answer.
    """
    found: frozenset[str] = import_module("bot.seen").scopes_of(user, settings, engine)
    return found
