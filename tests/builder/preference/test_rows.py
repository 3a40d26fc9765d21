"""What is learned of corrections and thumbs, what is held out, and what is left out with the reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.dataset import Row
from builder.judged import Judged
from builder.preference import rows
from builder.preference.rows import FEWEST
from lorekeeper.errors import BadInput


def row(
    number: int, *, rejected: str | None = "Ask somebody else [1].", word: str = "owner"
) -> Row:
    return Row(
        pair_id=number, question=f"Who is the {word} of service number{number}?",
        answer=f"It belongs to team number{number}.", conversation=f"C1/{number}", source="",
        scope="public", answer_ts="1.0", rejected_answer=rejected,
    )  # fmt: skip


def thumb(number: int, *, helpful: bool, answer: str = "", **changes: object) -> Judged:
    values = {
        "question": f"Where does thing{number} of kind{number} live?",
        "answer": answer or f"Thing{number} is {'here' if helpful else 'there'}.",
        "helpful": helpful, "up": int(helpful), "down": int(not helpful), "model": "v1",
        "conversation": f"C2/{number}",
    }  # fmt: skip
    return Judged(**(values | changes))


CORRECTIONS = [row(number) for number in range(FEWEST)]


def test_a_correction_is_preferred_to_the_answer_that_it_replaces():
    found = rows.pairs(CORRECTIONS, [], [], share=0.2)
    better, worse = found.train[0]
    assert (better.answer, better.helpful) == (CORRECTIONS[0].answer, True)
    assert (worse.answer, worse.helpful) == ("Ask somebody else.", False)
    assert better.question == worse.question


def test_corrections_that_are_held_out_are_measured_on():
    found = rows.pairs(CORRECTIONS, [row(99)], [], share=0.2)
    assert [better.pair_id for better, _ in found.heldout] == [99]
    assert 99 not in {better.pair_id for better, _ in found.train}


def test_a_liked_and_a_disliked_answer_to_one_question_are_a_pair():
    thumbs = [thumb(1, helpful=True), thumb(1, helpful=False), thumb(2, helpful=True)]
    found = rows.pairs(CORRECTIONS, [], thumbs, share=0.0)
    better, worse = found.train[-1]
    assert (better.answer, worse.answer) == ("Thing1 is here.", "Thing1 is there.")
    assert found.left_out == {"a question with thumbs of one kind only, from which KTO learns": 1}


def test_a_question_that_is_asked_often_is_one_pair_its_newest():
    thumbs = [thumb(1, helpful=h, answer=f"answer{n} {h}") for n in range(5) for h in (True, False)]
    found = rows.pairs(CORRECTIONS, [], thumbs, share=0.0)
    assert len(found.train) == FEWEST + 1
    assert [said.answer for said in found.train[-1]] == ["answer4 True", "answer4 False"]


@pytest.mark.parametrize(
    "told",
    [
        thumb(1, helpful=True, conversation="C1/99"),  # said in a held-out conversation
        thumb(1, helpful=True, cited=(99,)),  # made from a held-out pair
        thumb(1, helpful=True, question=row(99).question),  # asks the same
        thumb(1, helpful=True, question="Who is the service number99 owner?"),  # or nearly
    ],
)
def test_nothing_held_out_is_learned_by_way_of_a_thumb(told: Judged):
    thumbs = [told, thumb(2, helpful=True), thumb(3, helpful=False)]
    found = rows.opinions(CORRECTIONS, [row(99, rejected=None)], thumbs, share=0.0)
    assert told.question not in {said.question for (said,) in found.train}
    assert found.left_out == {"it tells what a held-out question asks": 1}


def test_a_newer_opinion_of_the_same_answer_counts():
    thumbs = [thumb(1, helpful=True, answer="So."), thumb(1, helpful=False, answer="so")]
    thumbs[1] = thumb(1, helpful=False, answer="So.")
    found = rows.opinions(CORRECTIONS, [], thumbs, share=0.0)
    assert [said.helpful for (said,) in found.train if said.answer == "So."] == [False]


def test_a_thumb_on_a_corrected_answer_adds_nothing():
    (_, worse), *_ = rows.pairs(CORRECTIONS, [], [], share=0.0).train
    again = thumb(1, helpful=False, question=worse.question, answer=worse.answer)
    found = rows.opinions(CORRECTIONS, [], [again], share=0.0)
    assert len(found.train) == 2 * FEWEST
    assert found.left_out == {"a correction says it already": 1}


def test_a_correction_that_says_the_same_teaches_nothing():
    same = row(50, rejected="It belongs to team number50. [2]")
    found = rows.pairs([*CORRECTIONS, same], [], [], share=0.0)
    assert found.left_out == {"the correction says the same": 1}


def test_a_few_preferences_are_refused_with_the_reasons():
    with pytest.raises(BadInput, match=r"There are 3 preferences .*1 left out: .*at least 24"):
        rows.pairs(CORRECTIONS[:3], [], [thumb(1, helpful=True)], share=0.0)


def test_one_kind_of_opinion_is_refused():
    thumbs = [thumb(n, helpful=True) for n in range(40)]
    with pytest.raises(BadInput, match="0 unhelpful answers"):
        rows.opinions([], [], thumbs, share=0.0)


@pytest.mark.parametrize(("count", "experimental"), [(FEWEST, True), (99, True), (100, False)])
def test_little_to_learn_from_is_called_experimental(count: int, experimental: bool):
    found = rows.pairs([row(number) for number in range(count)], [], [], share=0.0)
    assert found.note.startswith("Experimental") is experimental


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=60), st.floats(0, 1))
def test_no_question_stands_on_both_sides(given_: list[tuple[int, bool]], share: float):
    thumbs = [thumb(number, helpful=helpful) for number, helpful in given_]
    for collect in (rows.pairs, rows.opinions):
        found = collect(CORRECTIONS, [row(99)], thumbs, share=share)
        learned = {said.question for one in found.train for said in one}
        assert learned.isdisjoint(said.question for one in found.heldout for said in one)
