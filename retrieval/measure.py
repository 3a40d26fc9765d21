"""Rankings and what should have been found in; recall, reciprocal rank and nDCG of every question out, 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lorekeeper.paired import interval

CUT = 10  # places that MRR and nDCG look at, as MS MARCO and BEIR do
MEASURES = ("ndcg", "mrr", "recall")

Judged = Mapping[str, int]
"""The grade of each passage that was judged for a question: above 0 it answers, more is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One value a question, in the order of the questions."""

    ndcg: tuple[float, ...]  # at 10
    mrr: tuple[float, ...]  # at 10
    recall: tuple[float, ...]  # at `k`
    k: int

    def of(self, measure: str) -> tuple[float, ...]:
        """The values of one of MEASURES."""
        values: tuple[float, ...] = getattr(self, measure)
        return values

    def mean(self, measure: str) -> float:
        values = self.of(measure)
        return sum(values) / len(values)

    def interval(self, measure: str, clusters: Sequence[str] | None = None) -> tuple[float, float]:
        """95 % of the mean, by bootstrap over questions, or over clusters of them."""
        return interval(self.of(measure), clusters)


def measure(rankings: Sequence[Sequence[str]], judged: Sequence[Judged], *, k: int = CUT) -> Scores:
    """Compare each ranking (ids, best first) with what was judged for its question.

    Raises:
        ValueError: no question, a question that nothing answers, or not one ranking for each.
    """
    cases = list(zip(rankings, judged, strict=True))
    if not cases or not all(any(grade > 0 for grade in wanted.values()) for _, wanted in cases):
        raise ValueError("every question needs at least one passage that answers it")
    return Scores(
        ndcg=tuple(ndcg(ranking, wanted) for ranking, wanted in cases),
        mrr=tuple(reciprocal_rank(ranking, wanted) for ranking, wanted in cases),
        recall=tuple(recall(ranking, wanted, k) for ranking, wanted in cases),
        k=k,
    )


def recall(ranking: Sequence[str], judged: Judged, k: int) -> float:
    """Share of the relevant passages among the first k."""
    relevant = {name for name, grade in judged.items() if grade > 0}
    return len(relevant & set(ranking[:k])) / len(relevant)


def reciprocal_rank(ranking: Sequence[str], judged: Judged) -> float:
    """1 divided by the place of the first relevant passage; 0 when it is not among the first ten."""
    places = (place for place, name in enumerate(ranking[:CUT], 1) if judged.get(name, 0) > 0)
    return 1 / next(places, math.inf)


def ndcg(ranking: Sequence[str], judged: Judged) -> float:
    """Järvelin and Kekäläinen's gain, discounted by log2(place + 1), as a share of the best possible.

    The gain is the grade itself, as trec_eval and so BEIR have it.
    """
    found = [max(0, judged.get(name, 0)) for name in ranking[:CUT]]
    ideal = sorted((grade for grade in judged.values() if grade > 0), reverse=True)[:CUT]
    return _discounted(found) / _discounted(ideal)


def _discounted(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(place + 1) for place, grade in enumerate(grades, 1))
