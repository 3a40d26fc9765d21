"""What Slack sends in; one call of the part that does it out. Listeners translate, and nothing else."""

from __future__ import annotations

from slack_bolt import App

from bot.desk import Desk
from bot.listeners import actions, commands, events, shortcuts, views


def register(app: App, desk: Desk) -> None:
    """Connect every listener."""
    for kind in (events, actions, commands, shortcuts, views):
        kind.register(app, desk)
