"""What gives orders to the assistant is found, in its many forms; what people tell each other is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.labelled.injections import HARMLESS, INJECTIONS
from lorekeeper import prompt
from lorekeeper.domain import Passage, PassageKind
from lorekeeper.orders import LEFT_OUT, gives_orders, without_orders
from lorekeeper.text import words

FACT = "To deploy billing, run make ship from the main branch."


@pytest.mark.parametrize("order", INJECTIONS)
def test_an_order_never_reaches_the_model_from_a_message_or_a_document(order: str) -> None:
    for text in (order, f"{FACT} {order}", f"{FACT}\n\n{order}\n\n{FACT}", f"> {order}\n{FACT}"):
        passage = Passage(id="1", text=text, title="t", kind=PassageKind.THREAD, url="https://x")
        turns = prompt.messages(
            "How?", passages=[passage], turns=[{"role": "user", "content": text}]
        )
        seen = " ".join(words(" ".join(turn["content"] for turn in turns)))
        assert " ".join(words(order)) not in seen
        assert LEFT_OUT in turns[-1]["content"]


def test_what_stands_beside_an_order_stays() -> None:
    clean = without_orders(f"{FACT} {INJECTIONS[0]} It takes six minutes.")
    assert clean == f"{FACT} {LEFT_OUT} It takes six minutes."


@pytest.mark.parametrize("said", HARMLESS)
def test_what_people_tell_each_other_stays(said: str) -> None:
    assert without_orders(said) == said


@given(st.text(max_size=200))
def test_any_text_is_taken(text: str) -> None:
    clean = without_orders(text)
    assert clean == text or LEFT_OUT in clean
    assert not gives_orders(clean.replace(LEFT_OUT, ""))
