"""One order is made of meaning and words, and says the same thing once."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval import fuse

YEAR = fuse.HALF_STALE


def scores(similarity: list[float], coverage: list[float], words: list[float]) -> list[float]:
    given = (np.array(values, dtype=np.float32) for values in (similarity, coverage, words))
    return fuse.fused(*given).tolist()


def standing(vouched: list[bool], ages: list[float], *, pinned: bool = False) -> list[float]:
    pins = np.array([pinned] * len(ages))
    return fuse.standing(np.array(vouched), pins, np.array(ages)).tolist()


def test_both_meaning_and_words_count() -> None:
    both, meaning, words = scores([0.8, 0.8, 0.2], [1.0, 0.0, 1.0], [9.0, 0.0, 9.0])
    assert both > meaning
    assert both > words


def test_without_shared_words_meaning_alone_decides() -> None:
    near, far = scores([0.7, 0.1], [0.0, 0.0], [0.0, 0.0])
    assert near > far


def test_an_embedder_whose_cosines_are_all_lower_gives_the_same_order() -> None:
    coverage, words = [0.0, 0.2, 0.6], [0.0, 1.0, 3.0]
    high, low = scores([0.9, 0.8, 0.7], coverage, words), scores([0.45, 0.4, 0.35], coverage, words)
    assert high == pytest.approx(low)


def test_where_nothing_is_alike_the_words_decide() -> None:
    nothing, shares = scores([-0.1, -0.2], [0.0, 1.0], [0.0, 2.0])
    assert shares > nothing


def test_the_best_of_poor_matches_is_no_good_match() -> None:
    """A tenth of the question's words does not outweigh a little more meaning, whoever else holds fewer."""
    alike, shares = scores([0.60, 0.50], [0.0, 0.1], [0.0, 2.0])
    assert alike > shares


def test_bm25_decides_between_passages_that_hold_the_same_words() -> None:
    often, once = scores([0.5, 0.5], [0.6, 0.6], [8.0, 4.0])
    assert often > once


def test_an_approved_pair_wins_over_its_equal_and_not_over_the_clearly_better() -> None:
    equal, pair, better = scores([0.6, 0.6, 0.9], [0.5, 0.5, 0.5], [1.0, 1.0, 2.0])
    plain, vouched, _ = standing([False, True, False], [0, 0, 0])
    assert equal + plain < pair + vouched < better


def test_what_was_said_long_ago_loses_a_little_and_less_than_a_review_gains() -> None:
    new, old, ancient = standing([False] * 3, [0, YEAR, 100 * YEAR])
    assert new == 0
    assert old == pytest.approx(-fuse.STALE / 2)
    assert ancient == pytest.approx(-fuse.STALE)
    assert standing([True], [100 * YEAR])[0] > new


def test_a_pin_gains_less_than_a_review_and_outweighs_any_age() -> None:
    assert 0 < standing([False], [100 * YEAR], pinned=True)[0] < standing([True], [0])[0]


def test_what_does_not_grow_old_or_is_from_tomorrow_loses_nothing() -> None:
    assert standing([False, False], [0, -YEAR]) == [0, 0]


def test_fusion_by_ranks_adds_reciprocal_ranks() -> None:
    # 1: 1/61 + 1/63 · 2: 1/62 + 1/61 · 3: 1/62
    assert fuse.by_ranks([[1, 2], [2, 3, 1]]) == [2, 1, 3]


def test_a_repetition_makes_room_for_something_else() -> None:
    vectors = np.array([[1, 0], [0.999, 0.045], [0, 1]], dtype=np.float32)
    assert fuse.folded(vectors, 2) == [(0, None), (2, None)]


def test_repetitions_fill_up_when_there_is_nothing_else() -> None:
    vectors = np.array([[1, 0], [1, 0], [1, 0]], dtype=np.float32)
    assert fuse.folded(vectors, 2) == [(0, None), (1, 0)]
    assert fuse.folded(vectors[:0], 2) == []
