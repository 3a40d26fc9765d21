"""What a person was told comes back exactly as it was stored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from lorekeeper.domain import Answer, Citation, Level
from lorekeeper.errors import NotFound
from lorekeeper.store import answers, reading

ANSWER = Answer(
    id="a1",
    question="How do we deploy?",
    text="With `make ship` [1].",
    citations=(
        Citation(number=1, passage_id="p", title="Shipping", url="https://x/1", quote="make ship"),
    ),
    level=Level.TUNED,
    model="v1",
    people=("U1",),
    asker="U2",
    at=5.0,
)


def test_an_answer_comes_back_as_it_was_stored(engine: Engine) -> None:
    with engine.begin() as db:
        assert answers.add(db, ANSWER) == ANSWER
    with reading(engine) as db:
        assert answers.get(db, "a1") == ANSWER


def test_an_unknown_answer_says_so(engine: Engine) -> None:
    with reading(engine) as db, pytest.raises(NotFound, match="no answer nope"):
        answers.get(db, "nope")


def test_a_posted_answer_is_found_by_its_message(engine: Engine) -> None:
    with engine.begin() as db:
        answers.add(db, ANSWER)
        assert answers.by_message(db, "C1", "2.0") is None
        shown = answers.posted(db, "a1", channel="C1", thread_ts="1.0", message_ts="2.0")
        assert (shown.channel, shown.thread_ts, shown.message_ts) == ("C1", "1.0", "2.0")
        assert answers.by_message(db, "C1", "2.0") == shown
        assert answers.by_message(db, "C2", "2.0") is None


def test_posting_an_unknown_answer_says_so(engine: Engine) -> None:
    with engine.begin() as db, pytest.raises(NotFound):
        answers.posted(db, "nope", channel="C1", thread_ts=None, message_ts="2.0")


def test_an_answer_that_was_made_again_wins_its_message(engine: Engine) -> None:
    with engine.begin() as db:
        for answer in (ANSWER, replace(ANSWER, id="a2", at=6.0)):
            answers.add(db, answer)
            answers.posted(db, answer.id, channel="C1", thread_ts=None, message_ts="2.0")
        found = answers.by_message(db, "C1", "2.0")
    assert found is not None
    assert found.id == "a2"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    number=st.integers(min_value=1, max_value=10**6),
)
def test_any_text_survives_the_database(engine: Engine, text: str, number: int) -> None:
    answer = replace(
        ANSWER,
        id=f"p{number}",
        question=text,
        text=text,
        citations=(Citation(number=number, passage_id="p", title=text, url=text, quote=text),),
    )
    with engine.connect() as db:
        assert answers.add(db, answer) == answer
        db.rollback()
