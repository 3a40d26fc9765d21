"""The measures agree with what a person computes by hand, and with trec_eval."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.measure import CUT, measure, ndcg, recall, reciprocal_rank

NAMES = [f"d{number}" for number in range(30)]


def ones(*names: str) -> dict[str, int]:
    return dict.fromkeys(names, 1)


def test_recall_is_the_share_that_was_found() -> None:
    assert recall(["a", "b", "c"], ones("a", "c"), 1) == 0.5
    assert recall(["a", "b", "c"], ones("a", "c"), 3) == 1.0
    assert recall([], ones("a"), 3) == 0.0
    assert recall(["a", "b"], {"a": 1, "b": 0}, 1) == 1.0


def test_the_reciprocal_rank_is_of_the_first_hit_within_ten() -> None:
    assert reciprocal_rank(["x", "y", "a", "b"], ones("a", "b")) == 1 / 3
    assert reciprocal_rank([*"0123456789", "a"], ones("a")) == 0.0


def test_ndcg_discounts_by_place() -> None:
    # Found at places 1 and 3 of a possible 1 and 2: (1 + 1/2) / (1 + 1/log2 3)
    assert ndcg(["a", "x", "b"], ones("a", "b")) == pytest.approx(1.5 / (1 + 1 / math.log2(3)))
    assert ndcg(["a", "b"], ones("a", "b")) == 1.0
    assert ndcg(["x"], ones("a")) == 0.0


def test_the_ideal_ranking_has_at_most_ten_places() -> None:
    names = [str(number) for number in range(12)]
    assert ndcg(names, ones(*names)) == pytest.approx(1.0)


def test_measures_are_means_over_questions() -> None:
    scores = measure([["a"], ["x", "b"]], [ones("a"), ones("b")], k=1)
    assert (scores.k, scores.mean("recall"), scores.mean("mrr")) == (1, 0.5, 0.75)
    assert scores.ndcg == pytest.approx((1, 1 / math.log2(3)))
    low, high = scores.interval("mrr")
    assert (low, high) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("rankings", "judged"), [([], []), ([["a"]], [{}]), ([["a"]], [{"a": 0}]), ([["a"]], [])]
)
def test_a_question_without_an_answer_cannot_be_measured(
    rankings: list[list[str]], judged: list[dict[str, int]]
) -> None:
    with pytest.raises(ValueError, match=r"question|shorter"):
        measure(rankings, judged)


@given(
    st.lists(st.sampled_from(NAMES), unique=True, min_size=1),
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3), min_size=1).filter(
        lambda judged: max(judged.values()) > 0
    ),
)
def test_every_measure_is_that_of_trec_eval(ranking: list[str], judged: dict[str, int]) -> None:
    pytrec_eval: Any = pytest.importorskip("pytrec_eval", reason="pytrec-eval-terrier is missing")
    wanted = {"ndcg_cut.10", "recall.10", "recip_rank"}
    run = {"q": {name: float(-place) for place, name in enumerate(ranking)}}
    theirs = pytrec_eval.RelevanceEvaluator({"q": judged}, wanted).evaluate(run)["q"]
    ours = measure([ranking], [judged], k=CUT)
    assert ours.mean("ndcg") == pytest.approx(theirs["ndcg_cut_10"])
    assert ours.mean("recall") == pytest.approx(theirs["recall_10"])
    beyond = theirs["recip_rank"] < 1 / CUT  # trec_eval knows no cut of this one
    assert ours.mean("mrr") == pytest.approx(0 if beyond else theirs["recip_rank"])
