"""Passages and questions with known answers in; how well each way of searching finds them, out.

Every way is read from the same searches of a real index, which lies in a temporary folder and is gone
when the work ends, however it ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Hit, Passage, PassageKind
from lorekeeper.paired import Difference, paired
from retrieval.beir import Collection
from retrieval.embed import Embedder
from retrieval.heldout import Question, Trial
from retrieval.index import build
from retrieval.measure import CUT, Scores, measure
from retrieval.rerank import Reranker

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BM25, DENSE, FUSED, RERANKED, SERVED = "BM25", "dense", "fused", "re-ranked", "as served"
SURE = 0.025  # one-sided: a difference in either direction is claimed wrongly once in twenty times

Report = Callable[[int, int], None]  # questions asked so far, of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What every way of searching scored on the same questions, question by question."""

    name: str
    passages: int
    questions: tuple[Question, ...]
    arms: dict[str, Scores]

    @property
    def clusters(self) -> list[str]:
        return [question.cluster or question.id for question in self.questions]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a change did to nDCG@10 of what is served."""

    name: str
    found: Difference

    @property
    def verdict(self) -> str:
        if self.found.p_higher < SURE:
            return "better"
        return "worse" if self.found.p_lower < SURE else "noise"


def evaluate(
    name: str,
    trials: Sequence[Trial],
    embedder: Embedder,
    *,
    reranker: Reranker | None = None,
    k: int = CUT,
    report: Report = lambda done, of: None,
) -> Evaluation:
    """Ask every question of every trial; `k` is the cut of recall.

    Raises:
        ValueError: there is no question.
    """
    total = sum(len(trial.questions) for trial in trials)
    found = list[list[Hit]]()
    for trial in trials:
        for hits in traced(trial, embedder, reranker=reranker):
            found.append(hits)
            report(len(found), total)
    questions = tuple(question for trial in trials for question in trial.questions)
    rankings = [arms(hits) for hits in found]
    judged = [question.judged for question in questions]
    return Evaluation(
        name=name,
        passages=max((len(trial.passages) for trial in trials), default=0),
        questions=questions,
        arms={
            arm: measure([ranking[arm] for ranking in rankings], judged, k=k)
            for arm in (BM25, DENSE, FUSED, RERANKED, SERVED)
            if reranker is not None or arm != RERANKED
        },
    )


def traced(
    trial: Trial, embedder: Embedder, *, reranker: Reranker | None = None
) -> Iterator[list[Hit]]:
    """All candidates of each question's search, as they were ranked."""
    with tempfile.TemporaryDirectory(prefix="lore-evaluate-") as scratch:
        index = build(trial.passages, embedder, ArtifactStore(Path(scratch)))
        for question in trial.questions:
            yield index.trace(question.text, scopes=None, k=CUT, reranker=reranker)


def arms(hits: Sequence[Hit]) -> dict[str, list[str]]:
    """The ids of passages, best first, as each stage alone would give them."""
    by_words = sorted(
        (hit for hit in hits if hit.lexical_rank), key=lambda hit: hit.lexical_rank or 0
    )
    by_meaning = sorted(
        (hit for hit in hits if hit.dense_rank), key=lambda hit: hit.dense_rank or 0
    )
    fused = sorted(hits, key=lambda hit: hit.standing - hit.score)
    # What the cross-encoder did not read stays behind what it did, as it was fused.
    again = sorted(fused, key=lambda hit: 1.0 if hit.reranked is None else -hit.reranked)
    orders = {BM25: by_words, DENSE: by_meaning, FUSED: fused, RERANKED: again, SERVED: hits}
    return {arm: [hit.passage.id for hit in order] for arm, order in orders.items()}


def compare(name: str, new: Evaluation, old: Evaluation) -> Change:
    """Whether a change is better, worse or noise, on the questions that both were asked.

    Raises:
        ValueError: they were asked none in common.
    """
    known = {question.id: at for at, question in enumerate(old.questions)}
    both = [
        (at, known[question.id])
        for at, question in enumerate(new.questions)
        if question.id in known
    ]
    return Change(
        name=name,
        found=paired(
            [new.arms[SERVED].ndcg[at] for at, _ in both],
            [old.arms[SERVED].ndcg[at] for _, at in both],
            [new.clusters[at] for at, _ in both],
        ),
    )


def of_collection(collection: Collection) -> Trial:
    """A collection's texts, each one passage, as it is: nothing is cut, nothing is added."""
    passages = tuple(
        Passage(id=name, text=text, title="", kind=PassageKind.DOCUMENT, url=name)
        for name, text in collection.texts.items()
    )
    questions = tuple(
        Question(id=name, text=text, judged=collection.judged[name])
        for name, text in collection.questions.items()
    )
    return Trial(name=collection.name, passages=passages, questions=questions)


class Opening:
    """An embedder that reads a text as far as its window reaches, as published figures are made."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name = f"{embedder.name}, first window"
        self.dimensions, self.window = embedder.dimensions, embedder.window
        self.count_tokens, self.opening = embedder.count_tokens, embedder.opening

    def question(self, text: str) -> NDArray[np.float32]:
        return self._embedder.question(self._embedder.opening(text))

    def passages(self, texts: list[str]) -> NDArray[np.float32]:
        return self._embedder.passages([self._embedder.opening(text) for text in texts])
