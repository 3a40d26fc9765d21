"""Two rankings in, one out: reciprocal rank fusion, what people vouched for first, duplicates last.

Fusion by rank (Cormack, Clarke and Büttcher, SIGIR 2009) needs no common scale: a cosine lies
between -1 and 1, a BM25 score has no upper end and moves with the length of the question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEPTH = 60  # the paper's constant: how little the very first ranks stand out
VOUCHED = 1.15  # a reviewed answer wins over an equally good passage, not over a clearly better one
SAME = 0.97  # cosine from which two passages say the same


def fused(
    rankings: Sequence[Sequence[int]], *, vouched: Mapping[int, bool]
) -> list[tuple[int, float]]:
    """Rows with their scores, best first; a row of an approved pair counts VOUCHED times.

    Each ranking is a list of rows, best first. Ties go to the row that the first ranking prefers.
    """
    scores = dict[int, float]()
    for ranking in rankings:
        for rank, row in enumerate(ranking, 1):
            weight = VOUCHED if vouched.get(row) else 1.0
            scores[row] = scores.get(row, 0.0) + weight / (DEPTH + rank)
    return sorted(scores.items(), key=lambda item: -item[1])


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
