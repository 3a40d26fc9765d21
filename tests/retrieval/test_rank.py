"""The reranker reads the best again, and what it did not read keeps its place behind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrieval.rank import Ranked, ranked


class Reads:
    """Knows a score for each text; reads as many as it may."""

    def __init__(self, scores: dict[str, float], *, reads: int = 10, in_time: int = 10) -> None:
        self.known, self.reads, self.in_time = scores, reads, in_time

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        assert len(texts) <= self.reads
        return [self.known[text] for text in texts[: self.in_time]]


def order(
    scores: list[float],
    reranker: Reads | None = None,
    standing: Sequence[float] = (),
    shown: int = 9,
) -> list[Ranked]:
    return ranked(
        "?",
        np.array(scores, dtype=np.float32),
        np.array(standing or [0.0] * len(scores), dtype=np.float32),
        np.eye(len(scores), dtype=np.float32),
        lambda place: "abcdef"[place],
        shown=shown,
        reranker=reranker,
    )


def places(found: list[Ranked]) -> list[int]:
    return [one.place for one in found]


def test_without_a_reranker_the_fused_score_decides() -> None:
    found = order([0.1, 0.9, 0.5])
    assert places(found) == [1, 2, 0]
    assert {one.reranked for one in found} == {None}


def test_what_was_read_stands_by_the_rerankers_score_before_the_rest() -> None:
    found = order([0.9, 0.8, 0.7, 0.1], Reads({"a": 0.1, "b": 0.0, "c": 0.6}, reads=3))
    assert places(found) == [2, 0, 1, 3]
    assert [one.reranked for one in found] == [0.6, 0.1, 0.0, None]


def test_when_the_time_is_up_the_unread_keep_their_order() -> None:
    found = order([0.9, 0.8, 0.7], Reads({"a": 0.0, "b": 1.0, "c": 1.0}, in_time=1))
    assert places(found) == [0, 1, 2]


def test_approval_weighs_in_the_rerankers_order_too() -> None:
    equal = Reads({"a": 0.5, "b": 0.5})
    assert places(order([0.9, 0.8], equal, standing=[0.0, 0.05])) == [1, 0]


def test_a_repetition_names_what_it_repeats() -> None:
    same = np.ones((2, 1), dtype=np.float32)
    found = ranked("?", same[:, 0], 0 * same[:, 0], same, str, shown=2)
    assert [(one.place, one.repeats) for one in found] == [(0, None), (1, 0)]
