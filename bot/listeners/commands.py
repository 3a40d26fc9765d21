"""`/lore …` in; the command done out."""

from __future__ import annotations

from slack_bolt import App

from bot import commands
from bot.desk import Desk
from bot.door import Listener, acknowledge, door


def register(app: App, desk: Desk) -> None:
    for name, listener in COMMANDS.items():
        app.command(name)(ack=acknowledge, lazy=[door(desk, listener)])


COMMANDS: dict[str, Listener] = {"/lore": commands.run}
