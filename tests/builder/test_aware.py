"""Which passages a row is asked with, and what is answered then: never against them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import aware
from builder.aware import Shown
from builder.dataset import Row
from builder.recipes import Recipe
from lorekeeper import prompt
from lorekeeper.domain import Passage, PassageKind

ASKED = Recipe(with_passages=1.0, with_own_passage=1.0, declines=1.0)
OTHERS = Recipe(with_passages=1.0, with_own_passage=0.0, declines=1.0)


def row(number: int = 1, answer: str = "Nightly backups go to the blue bucket at two.") -> Row:
    return Row(
        pair_id=number, question="Where do the nightly backups go?", answer=answer,
        conversation=f"C1/{number}", source="", scope="public", answer_ts="1.0",
    )  # fmt: skip


def passage(text: str, *, conversation: str = "C9/9", pair_id: int | None = None) -> Passage:
    return Passage(
        id=text, text=text, title="", kind=PassageKind.DOCUMENT, url="",
        conversation=conversation, pair_id=pair_id,
    )  # fmt: skip


DEPLOY = passage("To deploy the billing service, run make ship from the main branch.")
LUNCH = passage("Lunch is served at noon in the large kitchen on the second floor.")
OWN = passage("Nightly backups go to the blue bucket at two.", conversation="C1/1", pair_id=1)


@dataclass
class Shelf:
    """A library that always brings the same."""

    found: list[Passage]
    train: list[Row] = field(default_factory=list)

    def passages(self, question: str, *, conversation: str, shown: str = "") -> list[Passage]:
        return [one for one in self.found if not conversation or one.conversation != conversation]


def asked(recipe: Recipe, *found: Passage, train: tuple[Row, ...] = ()) -> aware.Asked:
    return aware.asked([row()], recipe, Shelf(list(found), list(train)))[0]  # type: ignore[arg-type]


def test_with_the_right_passage_the_answer_is_learned():
    one = asked(ASKED, OWN, DEPLOY, LUNCH)
    assert one.shown is Shown.RIGHT
    assert one.answer == row().answer
    assert set(one.passages) == {OWN, DEPLOY, LUNCH}


def test_without_it_is_learned_to_decline_in_the_assistants_words():
    one = asked(OTHERS, OWN, DEPLOY)
    assert (one.shown, one.answer, one.passages) == (Shown.DECLINED, prompt.UNKNOWN, (DEPLOY,))


def test_what_another_passage_holds_is_not_declined():
    copy = passage("As was said: nightly backups go to the blue bucket at two.")
    assert asked(OTHERS, OWN, copy).shown is Shown.RIGHT


def test_without_any_passage_the_answer_is_learned_by_heart():
    assert asked(OTHERS, OWN).shown is Shown.NOTHING
    assert asked(Recipe(with_passages=0.0), OWN).shown is Shown.NOTHING


@pytest.mark.parametrize(
    "text",
    [
        "Nightly backups do not go to the blue bucket at two.",
        "The nightly backups go to the blue bucket at two, at 3 sharp.",
    ],
)
def test_an_answer_is_never_learned_beside_a_passage_that_contradicts_it(text: str):
    against = passage(text)
    one = aware.asked(
        [row(answer="Nightly backups go to the blue bucket at two, at 2 sharp.")],
        ASKED,
        Shelf([OWN, against, DEPLOY]),  # type: ignore[arg-type]
    )[0]
    assert against not in one.passages
    assert DEPLOY in one.passages


def test_nor_beside_a_pair_that_answers_the_same_question_otherwise():
    rival = row(2, answer="Ask the storage team, they moved everything to tape.")
    against = passage(f"{rival.question}\n{rival.answer}", conversation="C1/2", pair_id=2)
    assert against not in asked(ASKED, OWN, against, train=(rival,)).passages


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_the_rows_without_the_right_passage_declines(share: float):
    recipe = Recipe(with_passages=1.0, with_own_passage=0.0, declines=share)
    made = aware.asked([row(n) for n in range(400)], recipe, Shelf([DEPLOY]))  # type: ignore[arg-type]
    declined = Counter(one.shown for one in made)[Shown.DECLINED]
    assert declined / 400 == pytest.approx(share, abs=0.08)


@given(
    st.integers(0, 99), *[st.floats(0, 1)] * 3,
    st.lists(st.sampled_from([OWN, DEPLOY, LUNCH, passage("Nightly backups never go to the blue bucket at two.")]), unique=True),
)  # fmt: skip
def test_whatever_the_shares_no_row_is_answered_against_its_passages(
    seed: int, passages: float, own: float, declines: float, found: list[Passage]
):
    recipe = Recipe(seed=seed, with_passages=passages, with_own_passage=own, declines=declines)
    for one in aware.asked([row(n) for n in range(4)], recipe, Shelf(found)):  # type: ignore[arg-type]
        assert not any("never" in given.text for given in one.passages)
        holds = bool(one.passages) and aware.holds_answer(one.row, one.passages)
        assert (one.shown is Shown.RIGHT) == holds
        assert (one.answer == prompt.UNKNOWN) == (one.shown is Shown.DECLINED)


def test_the_same_seed_asks_the_same():
    rows, shelf = [row(n) for n in range(9)], Shelf([OWN, DEPLOY, LUNCH])
    assert aware.asked(rows, OTHERS, shelf) == aware.asked(rows, OTHERS, shelf)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        prompt.UNKNOWN,
        "I don’t know.",
        "I'm sorry, but I cannot find that in the sources.",
        "The provided sources do not contain information about backups.",
        "Unfortunately, there is no information about this.",
        "The answer is not mentioned in the sources.",
        "None of the passages say where the backups go.",
        "I could not find an answer.",
    ],
)
def test_an_answer_that_has_none_declines(answer: str):
    assert aware.declines(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "Nightly backups go to the blue bucket at two.",
        "You can't deploy on Fridays. I don't know why.",
        "Use the main branch; the other one is not supported.",
        "No, run make ship first.",
        "The text of the error says which port is taken.",
        "",
    ],
)
def test_an_answer_is_not_taken_for_declining(answer: str):
    assert not aware.declines(answer)
