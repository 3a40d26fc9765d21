"""Rankings and what should have been found in; recall, reciprocal rank and nDCG out, all between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass

CUT = 10  # places that MRR and nDCG look at, as MS MARCO and BEIR do


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Means over all questions."""

    questions: int
    recall: float  # at `k`
    k: int
    mrr: float  # at 10
    ndcg: float  # at 10


def measure(rankings: Sequence[Sequence[str]], relevant: Sequence[Set[str]], *, k: int) -> Quality:
    """Compare each ranking (ids, best first) with the set of ids that answer its question.

    Raises:
        ValueError: no question, a question that nothing answers, or not one ranking for each.
    """
    cases = list(zip(rankings, relevant, strict=True))
    if not cases or not all(relevant):
        raise ValueError("every question needs at least one passage that answers it")
    return Quality(
        questions=len(cases),
        recall=_mean([recall(ranking, wanted, k) for ranking, wanted in cases]),
        k=k,
        mrr=_mean([reciprocal_rank(ranking, wanted) for ranking, wanted in cases]),
        ndcg=_mean([ndcg(ranking, wanted) for ranking, wanted in cases]),
    )


def recall(ranking: Sequence[str], relevant: Set[str], k: int) -> float:
    """Share of the relevant passages among the first k."""
    return len(relevant & set(ranking[:k])) / len(relevant)


def reciprocal_rank(ranking: Sequence[str], relevant: Set[str]) -> float:
    """1 divided by the place of the first relevant passage; 0 when it is not among the first ten."""
    places = (place for place, name in enumerate(ranking[:CUT], 1) if name in relevant)
    return 1 / next(places, math.inf)


def ndcg(ranking: Sequence[str], relevant: Set[str]) -> float:
    """Järvelin and Kekäläinen's gain, discounted by log2(place + 1), as a share of the best possible."""
    gained = [place for place, name in enumerate(ranking[:CUT], 1) if name in relevant]
    ideal = range(1, min(len(relevant), CUT) + 1)
    return sum(map(_discounted, gained)) / sum(map(_discounted, ideal))


def _discounted(place: int) -> float:
    return 1 / math.log2(place + 1)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
