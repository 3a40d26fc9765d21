"""How alike in meaning, how many words shared, and whether people vouched for it, in; one order out.

A weighted sum, with BM25 scaled by the best candidate's score (Bruch, Gai and Ingber, TOIS 2023),
and not reciprocal rank fusion: ranks forget how far apart two candidates are, so that a passage
that merely shares a word stands beside the one that answers. `bench/retrieval.py` measures both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# From 0.2 to 0.5 the benchmark hardly changes: words decide among sections of one page, meaning
# where a question uses other words than the page.
WORDS = 0.3
VOUCHED = 0.05  # a reviewed answer wins over an equally good passage, not over a clearly better one
SAME = 0.97  # cosine from which two passages say the same
RANK_SMOOTHING = 60  # of reciprocal rank fusion, from its paper


def fused(
    similarity: NDArray[np.float32], words: NDArray[np.float32], vouched: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Scores of candidates, from their cosine, their BM25 score, and whether they are approved pairs."""
    best = float(words.max(initial=0.0)) or 1.0
    meant, shared = (1 - WORDS) * similarity, (WORDS / best) * words
    scores: NDArray[np.float32] = meant + shared + VOUCHED * vouched
    return scores


def by_ranks(rankings: Sequence[Sequence[int]]) -> list[int]:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009), for comparison."""
    scores = dict[int, float]()
    for ranking in rankings:
        for rank, row in enumerate(ranking, 1):
            scores[row] = scores.get(row, 0.0) + 1 / (RANK_SMOOTHING + rank)
    return sorted(scores, key=lambda row: -scores[row])


def distinct(rows: Sequence[int], vectors: NDArray[np.float32], k: int) -> list[int]:
    """The k best rows that differ from each other; near-duplicates only fill up what is left.

    `vectors` has one row of length one for each of `rows`. Gives min(k, rows) rows.
    """
    kept, repeats = list[int](), list[int]()
    for place in range(len(rows)):
        if len(kept) == k:
            break
        alike = kept and float((vectors[kept] @ vectors[place]).max()) >= SAME
        (repeats if alike else kept).append(place)
    return [rows[place] for place in (kept + repeats)[:k]]
