"""The measures agree with what a person computes by hand."""

from __future__ import annotations

import math

import pytest

from retrieval.measure import measure, ndcg, recall, reciprocal_rank


def test_recall_is_the_share_that_was_found() -> None:
    assert recall(["a", "b", "c"], {"a", "c"}, 1) == 0.5
    assert recall(["a", "b", "c"], {"a", "c"}, 3) == 1.0
    assert recall([], {"a"}, 3) == 0.0


def test_the_reciprocal_rank_is_of_the_first_hit_within_ten() -> None:
    assert reciprocal_rank(["x", "y", "a", "b"], {"a", "b"}) == 1 / 3
    assert reciprocal_rank([*"0123456789", "a"], {"a"}) == 0.0


def test_ndcg_discounts_by_place() -> None:
    # Found at places 1 and 3 of a possible 1 and 2: (1 + 1/2) / (1 + 1/log2 3)
    assert ndcg(["a", "x", "b"], {"a", "b"}) == pytest.approx(1.5 / (1 + 1 / math.log2(3)))
    assert ndcg(["a", "b"], {"a", "b"}) == 1.0
    assert ndcg(["x"], {"a"}) == 0.0


def test_the_ideal_ranking_has_at_most_ten_places() -> None:
    names = [str(number) for number in range(12)]
    assert ndcg(names, set(names)) == pytest.approx(1.0)


def test_measures_are_means_over_questions() -> None:
    quality = measure([["a"], ["x", "b"]], [{"a"}, {"b"}], k=1)
    assert (quality.questions, quality.k, quality.recall) == (2, 1, 0.5)
    assert quality.mrr == 0.75
    assert quality.ndcg == pytest.approx((1 + 1 / math.log2(3)) / 2)


@pytest.mark.parametrize(("rankings", "relevant"), [([], []), ([["a"]], [set()]), ([["a"]], [])])
def test_a_question_without_an_answer_cannot_be_measured(
    rankings: list[list[str]], relevant: list[set[str]]
) -> None:
    with pytest.raises(ValueError, match=r"question|shorter"):
        measure(rankings, relevant, k=3)
