"""A difference says how sure it is, and claims no more than its questions can."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorekeeper.paired import holm, interval, paired

VALUES = st.lists(st.floats(-1, 1), min_size=1, max_size=30)


@given(VALUES)
def test_the_sign_is_all_that_turns(new: list[float]) -> None:
    old = [0.5] * len(new)
    there, back = paired(new, old), paired(old, new)
    assert there.mean == pytest.approx(-back.mean)
    assert there.deviation == pytest.approx(back.deviation)
    assert there.low <= there.mean + 1e-9
    assert there.high >= there.mean - 1e-9


def test_one_conversation_is_one_witness() -> None:
    new, old = [2.0] * 20, [3.0] * 20
    assert paired(new, old, ["same"] * 20).p_lower == 0.5  # one coin
    assert paired(new, old, [str(n) for n in range(20)]).p_lower < 0.001


def test_five_questions_that_agree_claim_no_more_than_five_coins() -> None:
    assert paired([1.0] * 5, [0.0] * 5).p_higher == 1 / 2**5


def test_no_difference_is_noise() -> None:
    found = paired([0.5] * 8, [0.5] * 8)
    assert (found.mean, found.p_lower, found.p_higher) == (0, 1, 1)


def test_clusters_of_unequal_size_weigh_by_their_questions() -> None:
    found = paired([1.0, 1.0, 1.0, 0.0], [0.0] * 4, ["a", "a", "a", "b"])
    assert found.mean == 0.75
    assert (found.low, found.high) == (0.0, 1.0)


def test_the_interval_of_a_mean_holds_it_and_narrows_with_more_questions() -> None:
    few, many = interval([0.0, 1.0] * 5), interval([0.0, 1.0] * 500)
    assert few[0] < many[0] < 0.5 < many[1] < few[1]


def test_nothing_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="nothing"):
        paired([], [])
    with pytest.raises(ValueError, match="shorter"):
        paired([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="clusters"):
        paired([1.0], [1.0], ["a", "b"])


def test_holm_is_what_r_gives() -> None:
    """R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm"); order and ties kept."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.6, 0.01, 0.6]) == pytest.approx([1.0, 0.03, 1.0])
    assert holm([]) == []
