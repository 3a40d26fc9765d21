"""What a row may be shown when the model is trained on it or judged by it."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from sqlalchemy import Engine

from builder import dataset
from builder.library import Library, open_library
from lorekeeper import settings as config
from lorekeeper.domain import Channel, Message, Pair
from lorekeeper.store import messages

HOUR = 3600


@pytest.fixture
def rules(data: Path, base: Path) -> config.Settings:
    return tiny.settings(data, base)


def shown(library: Library, question: str) -> str:
    return "\n".join(hit.text for hit in library.passages(question, conversation=""))


def say(engine: Engine, at: float, author: str, text: str) -> None:
    with engine.begin() as db:
        messages.put(db, Message(channel="C1", ts=f"{at:.6f}", author=author, text=text))


def opened(engine: Engine, rules: config.Settings, pairs: list[Pair], held: int) -> Library:
    rows = [dataset.row_of(pair) for pair in pairs]
    return open_library(engine, rules, rows[:held] + rows[held + 1 :], [rows[held]])


def test_what_was_said_around_a_held_out_answer_does_not_give_it_away(
    engine: Engine, rules: config.Settings
) -> None:
    with engine.begin() as db:
        messages.put_channel(db, Channel(id="C1", name="help"))
    pairs = tiny.approve(engine, 8)
    said = float(pairs[3].answer_ts)
    say(engine, said + 60, "U1", "Thanks, language = 21 it was, service 3 starts again.")
    say(
        engine,
        said + 5 * HOUR,
        "U1",
        "By the way, the language of service 3 is written in lower case.",
    )
    found = shown(opened(engine, rules, pairs, held=3), pairs[3].question)
    assert "= 21" not in found
    assert "lower case" in found


def test_what_was_said_around_an_answer_to_train_on_may_be_shown(
    engine: Engine, rules: config.Settings
) -> None:
    with engine.begin() as db:
        messages.put_channel(db, Channel(id="C1", name="help"))
    pairs = tiny.approve(engine, 8)
    say(engine, 5 * HOUR, "U1", "The language of service 3 is written in lower case.")
    assert "lower case" in shown(opened(engine, rules, pairs, held=0), pairs[3].question)
