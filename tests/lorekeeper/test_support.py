"""What a passage says against a sentence; what it says for one is tested where numbers are given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorekeeper.domain import Passage, PassageKind
from lorekeeper.support import contradicts, supporting

SAID = "The billing service waits 30 seconds for the ledger before it gives up."


def passage(text: str) -> Passage:
    return Passage(id="p", text=text, title="", kind=PassageKind.DOCUMENT, url="")


@pytest.mark.parametrize(
    "text",
    [
        "Lunch is at noon. The billing service waits 45 seconds for the ledger before it gives up.",
        "The billing service never waits 30 seconds for the ledger before it gives up.",
    ],
)
def test_the_same_with_another_figure_or_a_not_contradicts(text: str):
    assert contradicts(passage(text), SAID)


@pytest.mark.parametrize(
    "text",
    [
        SAID,
        "The billing service waits for the ledger before it gives up.",  # says less
        "The parcel service drops 45 boxes at the door before it leaves.",  # of something else
        "",
    ],
)
def test_the_same_or_something_else_does_not(text: str):
    assert not contradicts(passage(text), SAID)


def test_a_figure_alone_is_not_compared():
    assert not contradicts(passage("443"), "8443")


@given(st.text(max_size=40), st.text(max_size=40))
def test_what_supports_a_sentence_does_not_contradict_it(text: str, sentence: str):
    for said in (sentence, SAID):
        given_ = passage(f"{text} {said}")
        assert not (supporting(said, [given_]) and contradicts(given_, said))
