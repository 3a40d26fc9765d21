"""A Slack user in; the scopes of what they may be quoted where nobody else reads along, out."""

from __future__ import annotations

from sqlalchemy import Engine

from bot.desk import set_up
from lorekeeper.domain import Channel
from lorekeeper.errors import NotFound
from lorekeeper.settings import Settings

ALONE = Channel(id="D", name="", is_direct=True)  # a direct message in which nothing was said


def scopes_of(user: str, settings: Settings, engine: Engine) -> frozenset[str]:
    """By the same rules by which the bot answers in a direct message; `lorekeeper.doors` asks for it.

    Raises:
        BadInput: there is no token, or Slack refuses it.
        NotFound: Slack knows no such user.
        NotReachable: Slack does not answer.
    """
    access = set_up(settings, engine).access
    if access.person(user).is_gone:
        raise NotFound(
            f"Slack knows nobody with the id {user!r}, or they have left.",
            fix="Take the member id from their profile in Slack (`Copy member ID`, U…).",
        )
    return access.scopes_for(ALONE, user, alone=True) - {ALONE.id}
