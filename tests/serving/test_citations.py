"""Numbers stand where a passage supports what is said, and nowhere else; the words stay as they were."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorekeeper.domain import Passage, PassageKind
from lorekeeper.support import supporting
from serving.citations import Citer, without_numbers

BACKUP = "Nightly backups are written to the blue bucket at two in the morning."
DEPLOY = "To deploy the billing service, run make ship from the main branch."


def passage(text: str) -> Passage:
    return Passage(
        id=text[:8], text=text, title=text[:12], kind=PassageKind.DOCUMENT, url="https://x/1"
    )


PASSAGES = [passage(BACKUP), passage(DEPLOY)]


def cited(pieces: list[str], passages: list[Passage] = PASSAGES) -> tuple[str, Citer]:
    citer = Citer(passages)
    return "".join(map(citer.take, pieces)) + citer.rest(), citer


def test_a_sentence_gets_the_number_of_the_passage_that_supports_it() -> None:
    told, citer = cited(
        ["Run make ship from the main branch. Backups go to the blue bucket nightly."]
    )
    assert told.startswith("Run make ship from the main branch. [2] ")
    assert sorted(citer.used) == [2]


def test_the_passage_that_holds_most_wins() -> None:
    near = passage("Nightly backups are written somewhere.")
    assert supporting(BACKUP, [near, *PASSAGES]) == 2


def test_a_sentence_that_no_passage_supports_gets_no_number() -> None:
    told, citer = cited(["The office closes on Fridays in summer."])
    assert told == "The office closes on Fridays in summer."
    assert citer.used == {}


def test_shared_words_in_another_order_are_no_support() -> None:
    assert supporting("Branch main ship make, billing deploy run service.", PASSAGES) is None


@pytest.mark.parametrize("said", ["Yes.", "Run it.", "The backups.", ""])
def test_too_few_words_tell_nothing(said: str) -> None:
    assert supporting(said, PASSAGES) is None


def test_numbers_that_the_model_invents_are_taken_out() -> None:
    told, _ = cited(["It rains a lot in autumn [7]. Nobody knows why [1, 2]."])
    assert told == "It rains a lot in autumn. Nobody knows why."


def test_a_number_of_the_model_is_replaced_by_the_one_that_holds() -> None:
    told, _ = cited(["Run make ship from the main branch [1]."])
    assert told == "Run make ship from the main branch. [2]"


def test_a_link_is_not_a_number() -> None:
    assert without_numbers("See [1](https://x/1).") == "See [1](https://x/1)."


def test_code_is_left_alone() -> None:
    told, _ = cited(["Take `items[0]. Then` and `rows[12]`, as it is."])
    assert told == "Take `items[0]. Then` and `rows[12]`, as it is."
    block = "```\nprint(rows[1])\n\nrun make ship from the main branch [1].\n```"
    assert cited([block])[0] == block


def test_words_come_out_as_they_come_in() -> None:
    citer = Citer(PASSAGES)
    assert citer.take("One is done. ") == "One is done."
    assert citer.take("Two") == " Two"
    assert citer.take(" goes on") == " goes on"


MARKS = [
    " ",
    ". ",
    "\n",
    "\n\n",
    "`",
    "```",
    "```py\n",
    "[1]",
    " [2].",
    "[9]",
    "(x)",
    "! ",
    "- ",
    "é",
]
texts = st.lists(
    st.one_of(
        st.sampled_from([BACKUP, DEPLOY, "Run make ship from the main branch", "No idea", "a[0]"]),
        st.sampled_from(MARKS),
        st.text(max_size=6),
    ),
    max_size=14,
).map("".join)


@given(texts, st.data())
def test_streaming_gives_the_same_as_the_whole_text(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    ends = [0, *cuts, len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(ends)]
    assert cited(pieces)[0] == cited([text])[0]


NUMBER = re.compile(r"\[(\d+)\]")


@given(texts, st.integers(0, 2))
def test_no_number_goes_beyond_the_list_outside_of_code(text: str, count: int) -> None:
    told, citer = cited([text], PASSAGES[:count])
    assert all(1 <= number <= count for number in citer.used)
    if "`" not in text and "](" not in told:
        numbers = {int(number) for number in NUMBER.findall(told)}
        assert numbers == citer.used.keys()


@given(texts.filter(lambda text: "[" not in text))
def test_the_words_stay_as_they_were(text: str) -> None:
    told, _ = cited([text])
    assert re.sub(r" \[\d\]", "", told) == text
