"""Reactions in a workspace with 10,000 stored pairs in; how long people wait for the note out.

The real bot runs in the playground, over Socket Mode. The time is from the reaction until the
ephemeral note can be seen in the channel. People react once a second: Slack admits about 100 notes
a minute. The last line is one JSON object.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import ascii_lowercase
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sqlalchemy import Engine

from bot import manifest
from bot.app import running
from bot.playground.server import Playground
from lorekeeper.domain import PUBLIC, Origin, Pair, PairState
from lorekeeper.settings import Bot, Settings, Slack, Store
from lorekeeper.store import open_database, pairs

STORED = 10_000
QUICK, FULL = 40, 300  # reactions
PACE = 1.0  # seconds between two
VOCABULARY = 4_000  # words of which the stored pairs are made


def main(
    full: Annotated[bool, typer.Option(help=f"{FULL} reactions instead of {QUICK}.")] = False,
) -> None:
    """Measure the time from a reaction to its note."""
    console = Console(stderr=True, highlight=False)
    with _team() as slack:
        waits = sorted(
            _wait(slack, number)
            for number in track(range(FULL if full else QUICK), "Reacting", console=console)
        )
    figures = {
        "stored_pairs": STORED,
        "reactions": len(waits),
        "p50_seconds": round(waits[len(waits) // 2], 3),
        "p95_seconds": round(waits[int(0.95 * len(waits))], 3),
        "longest_seconds": round(waits[-1], 3),
    }
    table = Table(*figures, title="From the reaction to the note")
    table.add_row(*map(str, figures.values()))
    console.print(table)
    print(json.dumps(figures))


@contextmanager
def _team() -> Iterator[Playground]:
    """A workspace with the bot at work in it, its review channel, and the stored pairs."""
    playground = Playground()
    for name in ("ada", "grace"):
        playground.workspace.add_user(name)
    app = playground.install(manifest.read())
    for channel in ("help", "review"):
        playground.workspace.add_channel(channel, members=["ada", "grace", app.bot_user])
    with tempfile.TemporaryDirectory() as data, playground:
        settings = Settings(
            slack=Slack(
                bot_token=playground.bot_token,
                app_token=playground.app_token,
                api_url=playground.api_url,
            ),
            bot=Bot(review_channel=playground.workspace.channel("review").id),
            store=Store(data=Path(data)),
        )
        engine = open_database(settings.database_url)
        _fill(engine)
        with running(settings, engine):
            yield playground
        engine.dispose()


def _fill(engine: Engine) -> None:
    """Half approved, half waiting; as similar to each other as random words are."""
    chance = random.Random(0)
    words = ["".join(chance.choices(ascii_lowercase, k=7)) for _ in range(VOCABULARY)]
    made = [
        Pair(
            id=0,
            question=f"How do I {' '.join(chance.choices(words, k=8))}?",
            answer=" ".join(chance.choices(words, k=60)),
            state=PairState.APPROVED if number % 2 else PairState.CANDIDATE,
            origin=Origin.REACTION,
            channel="C1",
            scope=PUBLIC,
            conversation=f"C1/{number}",
            source="",
            answer_ts=f"1600000000.{number:06}",
            captured_by="U1",
        )
        for number in range(STORED)
    ]
    with engine.begin() as db:
        pairs.add_new(db, made)


def _wait(slack: Playground, number: int) -> float:
    """Seconds from the reaction to the note."""
    time.sleep(PACE)
    ada, grace = slack.member("ada"), slack.member("grace")
    asked = ada.post("help", f"How do I restart service number {number}?")
    answer = grace.reply(asked, f"Run `restart {number}` on its host, then wait for a minute.")
    began = time.perf_counter()
    ada.react(answer, "bookmark")
    ada.wait_for_message("help", lambda m: m.is_ephemeral and f"restart {number}`" in m.said)
    return time.perf_counter() - began


if __name__ == "__main__":
    typer.run(main)
