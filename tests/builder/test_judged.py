"""Answers with thumbs in; what may be learned of them, out."""

from __future__ import annotations

import itertools

import pytest

from builder import judged
from lorekeeper.domain import PUBLIC, Answer, Channel, Level
from lorekeeper.store import answers, feedback, messages, reading

numbers = itertools.count(1)


@pytest.fixture
def told(engine):
    with engine.begin() as db:
        messages.put_channel(db, Channel(id="C1", name="help"))
        messages.put_channel(db, Channel(id="G1", name="secrets", is_private=True))

    def put(*thumbs, **changes):
        number = next(numbers)
        values = {
            "id": f"a{number}",
            "question": "How?",
            "text": "So [1]. Then so [2].",
            "citations": (),
            "level": Level.TUNED,
            "model": "v1",
            "scopes": (PUBLIC,),
            "asker": "U1",
            "channel": "C1",
            "thread_ts": "1.0",
            "at": float(number),
        }
        with engine.begin() as db:
            made = answers.add(db, Answer(**(values | changes)))
            for by, helpful in enumerate(thumbs):
                feedback.give(db, answer_id=made.id, by=f"U{by}", helpful=helpful)

    return put


def learned(engine, train_on=()):
    with reading(engine) as db:
        return judged.answers(db, train_on)


def test_an_answer_is_learned_as_most_people_judge_it(engine, told):
    told(True, True, False)
    told(False)
    told(True, False)
    told()
    assert [(one.helpful, one.up, one.down) for one in learned(engine)] == [
        (True, 2, 1),
        (False, 0, 1),
    ]
    line = judged.line(learned(engine)[0])
    assert line["completion"] == [{"role": "assistant", "content": "So. Then so."}]
    assert line["prompt"] == [{"role": "user", "content": "How?"}]
    assert line["label"] is True


@pytest.mark.parametrize(
    "why",
    [
        {"scopes": ("G1",)},  # made from a private channel
        {"channel": "G1"},  # asked in one
        {"channel": "D1"},  # or in a direct message
        {"thread_ts": None},  # read by its asker alone
        {"level": Level.PASSAGES},  # no model wrote it
        {"asker": ""},  # forgotten on request
    ],
)
def test_what_not_everyone_could_read_is_not_learned(engine, told, why):
    told(True, **why)
    assert learned(engine) == []


def test_a_private_channel_is_learned_from_where_its_curator_said_so(engine, told):
    told(True, scopes=("G1",), channel="G1")
    assert len(learned(engine, ["G1"])) == 1
