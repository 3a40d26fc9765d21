"""A hundred answers at once in; how long the bot, the gateway and the search keep the first word back, out.

The engine is scripted: it says its first word `PACE` seconds after it is asked, and the next ones at that
pace, so that an answer takes twenty seconds. All the rest is real, each part in its own process, as
`lore up` starts them: the playground's Slack, the bot, the gateway, the index with its embedder. The time
is from the moment that Slack has the question until a reader sees the first word, less the engine's own
`PACE`. Questions come at a steady rate. Slack's own limits are left aside. The last line is one JSON object.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx2
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.labelled.handbook import ANSWERED, PASSAGES
from bot import manifest
from bot.demo.stage import free_port
from bot.playground.seen import Seen
from bot.playground.server import Playground
from bot.playground.workspace import Notice
from lorekeeper.settings import Bot, Retrieval, Serving, Settings, Slack, Store, environment
from lorekeeper.up import Supervisor
from serving.fake_engine import FakeEngine, Script

PACE = 0.1  # seconds between two of the engine's words
WORDS = 200  # of an answer: 20 seconds
SENTENCE = 15  # words
RATE = 5.0  # questions a second: after 20 seconds a hundred answers are being written
QUICK, FULL = 150, 600  # questions
MEMBERS, CHANNELS = 50, 20
START = 180.0  # seconds for the parts to come up
PATIENCE = 120.0  # seconds for the last answer


def main(
    full: Annotated[bool, typer.Option(help=f"{FULL} questions instead of {QUICK}.")] = False,
) -> None:
    """Measure the time to the first visible word."""
    console = Console(stderr=True, highlight=False)
    tokens = [f"word{n}{'.' if n % SENTENCE == SENTENCE - 1 else ''} " for n in range(WORDS)]
    with (
        _workspace() as slack,
        FakeEngine(Script(tokens=tokens, pace=PACE)) as engine,
        _parts(slack, engine),
    ):
        eye = _Eye(slack)
        _warm_up(slack, eye)
        with Progress(console=console) as progress:
            asked = _ask(slack, progress, FULL if full else QUICK)
        eye.wait_for(asked)
        waits = sorted(eye.first[q.ts] - q_at - PACE for q, q_at in asked if q.ts in eye.first)
        figures = {
            "questions": len(asked),
            "answered": sum(question.ts in eye.ended for question, _ in asked),
            "most_at_once": eye.most,
            "first_word_p50_ms": _milliseconds(waits, 0.5),
            "first_word_p95_ms": _milliseconds(waits, 0.95),
            "first_word_longest_ms": _milliseconds(waits, 1.0),
        }
    table = Table(*figures, title="What is added to the engine's own first word")
    table.add_row(*map(str, figures.values()))
    console.print(table)
    print(json.dumps(figures))


def _workspace() -> Playground:
    slack = Playground()
    names = [f"member{number}" for number in range(MEMBERS)]
    for name in names:
        slack.workspace.add_user(name)
    app = slack.install(manifest.read())
    for number in range(CHANNELS):
        slack.workspace.add_channel(f"room{number}", members=[*names, app.bot_user])
    return slack


@contextmanager
def _parts(slack: Playground, engine: FakeEngine) -> Iterator[None]:
    """`lore serve` and `lore bot`, until the block ends."""
    with tempfile.TemporaryDirectory() as data:
        pages = Path(data) / "handbook"
        pages.mkdir()
        for name, text in PASSAGES.items():
            (pages / f"{name}.md").write_text(f"# {name}\n\n{text}\n", encoding="utf-8")
        settings = Settings(
            slack=Slack(
                bot_token=slack.bot_token, app_token=slack.app_token, api_url=slack.api_url
            ),
            bot=Bot(threads=200),
            store=Store(data=Path(data)),
            retrieval=Retrieval(documents=(str(pages),)),
            serving=Serving(engine_url=engine.url, gateway_port=free_port()),
        )
        with Supervisor(Path(data) / "logs") as parts:
            for part in ("serve", "bot"):
                parts.start(part, ["lore", part], environment(settings))
            _wait_for_index(f"{settings.serving.gateway_url}/healthz")
            yield


def _wait_for_index(url: str) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end:
        try:
            if httpx2.get(url, trust_env=False).json()["index"]["passages"] >= len(PASSAGES):
                return
        except (httpx2.HTTPError, KeyError, ValueError):
            pass
        time.sleep(0.5)
    raise typer.BadParameter(f"the gateway did not come up in {START:.0f} s")


class _Eye:
    """Watches the workspace: when the first word of each answer was there, and when it ended."""

    def __init__(self, slack: Playground) -> None:
        self._workspace = slack.workspace
        self._bot = slack.bot_user
        self._change = threading.Condition()
        self.first: dict[str, float] = {}
        self.ended: set[str] = set()
        self.most = 0
        slack.workspace.watchers.append(self._look)

    def wait_for(self, asked: list[tuple[Seen, float]]) -> None:
        wanted = {question.ts for question, _ in asked}
        with self._change:
            self._change.wait_for(lambda: wanted <= self.ended, PATIENCE)

    def _look(self, notice: Notice) -> None:
        if notice.channel is None or notice.ts is None:
            return
        message = self._workspace.conversation(notice.channel).raw(notice.ts)
        if message is None or message.get("user") != self._bot or not message.get("text"):
            return
        root = message.get("thread_ts", notice.ts)
        with self._change:
            self.first.setdefault(root, time.time())
            if message.get("streaming_state") != "in_progress":
                self.ended.add(root)
            self.most = max(self.most, len(self.first.keys() - self.ended))
            self._change.notify_all()


def _warm_up(slack: Playground, eye: _Eye) -> None:
    """Everything is loaded and remembered once; a bot that starts is not what is measured."""
    asked = []
    for number in range(CHANNELS):
        member = slack.member(f"member{number}")
        asked.append((member.post(f"room{number}", f"<@{slack.bot_user}> {ANSWERED[0][0]}"), 0.0))
    eye.wait_for(asked)
    eye.most = 0


def _ask(slack: Playground, progress: Progress, count: int) -> list[tuple[Seen, float]]:
    """The questions, each with the time when Slack had it."""
    asked = []
    began = time.monotonic()
    for number in progress.track(range(count), description="Asking"):
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        member = slack.member(f"member{number % MEMBERS}")
        text = ANSWERED[number % len(ANSWERED)][0]
        at = time.time()
        asked.append((member.post(f"room{number % CHANNELS}", f"<@{slack.bot_user}> {text}"), at))
    return asked


def _milliseconds(waits: list[float], share: float) -> int:
    return round(1000 * waits[min(len(waits) - 1, int(share * len(waits)))]) if waits else -1


if __name__ == "__main__":
    typer.run(main)
