"""`lore bot` and `lore playground` in; the process running until it is stopped out."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

SWITCH = 0.0005  # seconds that a thread may keep the others from running: many answers are written at once


def bot() -> None:
    """Run the Slack bot: capture, review, answers, feedback, commands."""
    from rich.console import Console

    from bot.app import running
    from lorekeeper import settings, telemetry
    from lorekeeper.store import open_database

    config = settings.load()
    telemetry.configure()
    sys.setswitchinterval(SWITCH)
    engine = open_database(config.database_url)
    ending = _asked_to_stop()
    try:
        with running(config, engine) as desk:
            Console().print(f"The bot listens as {desk.me.user} at {desk.me.url}. Ctrl-C stops it.")
            ending.wait()
    finally:
        engine.dispose()


def playground(port: int = 3001) -> None:
    """Run a Slack workspace in a box, with a page to try the bot in."""
    from rich.console import Console

    from bot import manifest
    from bot.playground.sample import sample_workspace
    from bot.playground.server import Playground

    slack = Playground(sample_workspace())
    slack.install(manifest.read())
    ending = _asked_to_stop()
    with slack.start(port):
        console = Console(highlight=False, soft_wrap=True)
        console.print(f"Open {slack.page_url}\nFor the bot, in another terminal:")
        console.print(f"export LORE_SLACK__API_URL={slack.api_url}")
        console.print(f"export LORE_SLACK__BOT_TOKEN={slack.bot_token}")
        console.print(f"export LORE_SLACK__APP_TOKEN={slack.app_token}")
        console.print("lore bot")
        ending.wait()


def _asked_to_stop() -> threading.Event:
    """Set by Ctrl-C and by SIGTERM: work that was begun is finished, nothing new is claimed."""
    ending = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        ending.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return ending
