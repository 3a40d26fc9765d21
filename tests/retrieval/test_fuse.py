"""One order is made of meaning and words, and says the same thing once."""

from __future__ import annotations

import numpy as np

from retrieval import fuse


def scores(similarity: list[float], words: list[float], vouched: list[bool]) -> list[float]:
    return fuse.fused(
        np.array(similarity, dtype=np.float32),
        np.array(words, dtype=np.float32),
        np.array(vouched),
    ).tolist()


def test_both_meaning_and_words_count() -> None:
    both, meaning, words = scores([0.8, 0.8, 0.2], [9.0, 0.0, 9.0], [False] * 3)
    assert both > meaning
    assert both > words


def test_an_approved_pair_wins_over_its_equal_and_not_over_the_clearly_better() -> None:
    equal, pair, better = scores([0.6, 0.6, 0.9], [1.0, 1.0, 2.0], [False, True, False])
    assert equal < pair < better


def test_without_shared_words_meaning_alone_decides() -> None:
    near, far = scores([0.7, 0.1], [0.0, 0.0], [False, False])
    assert near > far


def test_fusion_by_ranks_adds_reciprocal_ranks() -> None:
    # 1: 1/61 + 1/63 · 2: 1/62 + 1/61 · 3: 1/62
    assert fuse.by_ranks([[1, 2], [2, 3, 1]]) == [2, 1, 3]


def test_a_repetition_makes_room_for_something_else() -> None:
    vectors = np.array([[1, 0], [0.999, 0.045], [0, 1]], dtype=np.float32)
    assert fuse.distinct([7, 8, 9], vectors, 2) == [7, 9]


def test_repetitions_fill_up_when_there_is_nothing_else() -> None:
    vectors = np.array([[1, 0], [1, 0], [1, 0]], dtype=np.float32)
    assert fuse.distinct([7, 8, 9], vectors, 2) == [7, 8]
    assert fuse.distinct([], vectors[:0], 2) == []
