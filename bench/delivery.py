"""A thousand questions in a Slack that fails in; how many got exactly one final answer, to the words that they had at the end, out.

Fifty members ask in twenty channels. Slack resends events, tells of edits before the message that was
edited, and answers one call in twenty with 429 or 500. The real bot runs in the playground over Socket
Mode; what stands behind it answers at once. The last line is one JSON object.
"""

from __future__ import annotations

import json
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bot import manifest
from bot.app import running
from bot.playground.faults import Fault
from bot.playground.records import App
from bot.playground.seen import Seen
from bot.playground.server import Playground
from bot.scripted_gateway import ScriptedGateway
from lorekeeper.settings import Serving, Settings, Slack, Store
from lorekeeper.store import events, open_database, reading

MEMBERS, CHANNELS = 50, 20
QUICK, FULL = 100, 1_000  # questions
RESENT = 0.3  # share of events that come again
EDITED = 0.2  # share of questions that are edited, half of them out of order
FAILING = 0.05  # share of Slack's calls
PACE = 0.05  # seconds between questions
PATIENCE = 600.0  # seconds for the last answer


def main(
    full: Annotated[bool, typer.Option(help=f"{FULL} questions instead of {QUICK}.")] = False,
) -> None:
    """Count lost and doubled answers."""
    console = Console(stderr=True, highlight=False)
    chance = random.Random(0)
    slack = _workspace()
    with tempfile.TemporaryDirectory() as data, slack:
        engine = open_database(f"sqlite:///{data}/lorekeeper.sqlite")
        with ScriptedGateway(engine, lambda question: [f"The answer to: {question}"]) as gateway:
            settings = Settings(
                slack=Slack(
                    bot_token=slack.bot_token, app_token=slack.app_token, api_url=slack.api_url
                ),
                store=Store(data=Path(data), database=str(engine.url)),
                serving=Serving(gateway_port=gateway.port),
            )
            with running(settings, engine), Progress(console=console) as progress:
                asked = _ask(slack, chance, FULL if full else QUICK, progress)
                began = time.monotonic()
                _wait(engine, began)
                figures = _figures(slack, asked)
        engine.dispose()
    table = Table(*figures, title="Answers in a Slack that fails")
    table.add_row(*map(str, figures.values()))
    console.print(table)
    print(json.dumps(figures))
    raise typer.Exit(figures["lost"] + figures["doubled"] + figures["to_old_words"] > 0)


def _workspace() -> Playground:
    slack = Playground()
    names = [f"member{number}" for number in range(MEMBERS)]
    for name in names:
        slack.workspace.add_user(name)
    app = slack.install(manifest.read())
    for number in range(CHANNELS):
        slack.workspace.add_channel(f"room{number}", members=[*names, app.bot_user])
    return slack


def _ask(
    slack: Playground, chance: random.Random, count: int, progress: Progress
) -> list[tuple[Seen, str]]:
    """The questions, with the words that each has at the end."""
    slack.workspace.faults.often(
        FAILING, [Fault(status=429, retry_after=1), Fault(status=500)], seed=1
    )
    mail = _Mail(slack, chance)
    asked: list[tuple[Seen, str]] = []
    for number in progress.track(range(count), description="Asking"):
        member = slack.member(f"member{chance.randrange(MEMBERS)}")
        room = f"room{chance.randrange(CHANNELS)}"
        words = f"<@{slack.bot_user}> question {number}"
        is_edited, is_late = chance.random() < EDITED, chance.random() < 0.5
        if is_edited and is_late:
            mail.hold()
        question = member.post(room, words)
        if is_edited:
            words += " in other words"
            member.edit(question, words)
            mail.release_backwards()
        asked.append((question, words.removeprefix(f"<@{slack.bot_user}> ")))
        time.sleep(PACE)
    return asked


class _Mail:
    """Stands between the workspace and its delivery: holds events back, and sends some again."""

    def __init__(self, slack: Playground, chance: random.Random) -> None:
        self._chance = chance
        self._deliver = slack.workspace.deliver
        self._held: list[tuple[App, Any]] | None = None
        self._lock = threading.Lock()
        slack.workspace.deliver = self._send

    def hold(self) -> None:
        with self._lock:
            self._held = []

    def release_backwards(self) -> None:
        with self._lock:
            held, self._held = self._held or [], None
        for app, envelope in reversed(held):
            self._send(app, envelope)

    def _send(self, app: App, envelope: Any) -> None:
        with self._lock:
            if self._held is not None:
                self._held.append((app, envelope))
                return
            again = self._chance.random() < RESENT
        self._deliver(app, envelope)
        if again:
            self._deliver(app, envelope)


def _wait(engine: Any, began: float) -> None:
    """Until nothing waits or is worked on for a while."""
    quiet = 0
    while quiet < 20 and time.monotonic() - began < PATIENCE:
        with reading(engine) as db:
            quiet = quiet + 1 if not events.unfinished(db) else 0
        time.sleep(0.25)


def _figures(slack: Playground, asked: list[tuple[Seen, str]]) -> dict[str, int]:
    """A final answer is one with thumbs under it."""
    counted: Counter[str] = Counter()
    for question, words in asked:
        thread = slack.member("member0").thread(question)
        final = [message for message in thread if "answer_thumb" in message.actions]
        counted["lost"] += not final
        counted["doubled"] += len(final) > 1
        counted["to_old_words"] += bool(final) and f"The answer to: {words}" not in final[
            -1
        ].said.replace("\n", " ")
        counted["other_messages"] += len(thread) - 1 - len(final)
    return {
        "questions": len(asked),
        "answered_once": len(asked) - counted["lost"] - counted["doubled"],
        "lost": counted["lost"],
        "doubled": counted["doubled"],
        "to_old_words": counted["to_old_words"],
        "other_messages": counted["other_messages"],
    }


if __name__ == "__main__":
    typer.run(main)
