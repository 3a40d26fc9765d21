"""A choice in a message's menu in; its modal out."""

from __future__ import annotations

from slack_bolt import App

from bot.desk import Desk, Json
from bot.door import Listener, acknowledge, door
from bot.opening import capture_modal
from lorekeeper.domain import Origin


def register(app: App, desk: Desk) -> None:
    for name, listener in SHORTCUTS.items():
        app.shortcut(name)(ack=acknowledge, lazy=[door(desk, listener)])


def save_answer(desk: Desk, body: Json) -> None:
    capture_modal(
        desk,
        body,
        channel=body["channel"]["id"],
        ts=body["message"]["ts"],
        origin=Origin.SHORTCUT,
    )


SHORTCUTS: dict[str, Listener] = {"save_answer": save_answer}
