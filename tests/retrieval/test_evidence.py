"""Whether there is evidence enough to answer, and which passages are shown beside the best one."""

from __future__ import annotations

from lorekeeper.domain import Hit, Passage, PassageKind
from retrieval.evidence import enough


def hit(similarity: float, coverage: float) -> Hit:
    passage = Passage(id="1", text="x", title="x", kind=PassageKind.THREAD, url="https://x")
    return Hit(passage=passage, score=1.0, similarity=similarity, coverage=coverage)


def test_a_question_without_evidence_is_not_answered() -> None:
    assert enough([hit(0.4, 0.2), hit(0.3, 0.3)], 0.7) == []
    assert enough([], 0.0) == []


def test_alike_in_meaning_or_sharing_the_telling_words_is_evidence() -> None:
    by_meaning, by_words = hit(0.7, 0.0), hit(0.2, 0.6)
    assert enough([by_meaning], 0.7) == [by_meaning]
    assert enough([by_words], 0.7) == [by_words]


def test_far_weaker_passages_are_left_out() -> None:
    good, fair, weak = hit(0.8, 0.8), hit(0.5, 0.4), hit(0.3, 0.2)
    assert enough([weak, good, fair], 0.7) == [good, fair]
