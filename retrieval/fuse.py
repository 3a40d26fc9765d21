"""How alike in meaning, how many of the question's words, and who vouched when, in; one order out.

The score is the cosine as a share of the best candidate's, plus how much of what the question tells the
passage holds at all (its coverage), plus a little BM25. The cosine is scaled, because embedders and
collections differ in how high it is; a weighted sum of scaled scores fuses better than reciprocal ranks,
which forget how far apart two candidates are (Bruch, Gai and Ingber, TOIS 2023). Coverage does most of
the words' part and not BM25, because it needs no scaling: BM25 divided by its best makes the best of
many poor matches look like a perfect one. `python -m bench.beir` measures all of this, and with weights
chosen on other collections than the one that is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COVERED = (
    0.26  # from 0.18 to 0.26 no collection of the benchmark loses 0.003 to the better of the two
)
WORDS = 0.02  # BM25 decides between passages that hold the same words
VOUCHED = 0.05  # a reviewed answer wins over an equally good passage, not over a clearly better one
PINNED = 0.03  # somebody found it worth keeping, and nobody reviewed it
STALE = 0.02  # what was said long ago loses at most this much: less than a reviewed answer gains
HALF_STALE = 365 * 86_400.0  # seconds after which half of that is lost
SAME = 0.97  # cosine from which two passages say the same
RANK_SMOOTHING = 60  # of reciprocal rank fusion, from its paper


def fused(
    similarity: NDArray[np.float32],
    coverage: NDArray[np.float32],
    words: NDArray[np.float32],
    *,
    covered: float = COVERED,
    worded: float = WORDS,
) -> NDArray[np.float32]:
    """Scores of candidates from their cosine, the share of the question that they hold, and their BM25."""
    nearest, best = _most(similarity), _most(words)
    scores: NDArray[np.float32] = (
        similarity / nearest + covered * coverage + (worded / best) * words
    )
    return scores


def standing(
    vouched: NDArray[np.bool_], pinned: NDArray[np.bool_], ages: NDArray[np.float64]
) -> NDArray[np.float32]:
    """What is added for who vouched for a passage or pinned it, less what it lost by its age in seconds.

    An age of 0 or less is that of what does not grow old, such as a document that is still there.
    """
    import numpy as np

    kept = np.exp2(-np.maximum(ages, 0.0) / HALF_STALE)
    return (VOUCHED * vouched + PINNED * pinned - STALE * (1 - kept)).astype(np.float32)


def _most(scores: NDArray[np.float32]) -> float:
    """The best score, to scale by; 1 where none is above zero."""
    most = float(scores.max(initial=0.0))
    return most if most > 0 else 1.0


def by_ranks(rankings: Sequence[Sequence[int]]) -> list[int]:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009), for comparison."""
    scores = dict[int, float]()
    for ranking in rankings:
        for rank, row in enumerate(ranking, 1):
            scores[row] = scores.get(row, 0.0) + 1 / (RANK_SMOOTHING + rank)
    return sorted(scores, key=lambda row: -scores[row])


def folded(vectors: NDArray[np.float32], k: int) -> list[tuple[int, int | None]]:
    """Places of the k best that differ from each other; near-duplicates only fill up what is left.

    `vectors` has one row of length one for each candidate, best first. Gives min(k, rows) pairs: the
    candidate's place, and the place of the better one that it repeats, or None.
    """
    kept, repeats = list[tuple[int, int | None]](), list[tuple[int, int | None]]()
    for place in range(len(vectors)):
        if len(kept) == k:
            break
        before = [at for at, _ in kept]
        alike = vectors[before] @ vectors[place]
        nearest = int(alike.argmax()) if before else 0
        if before and float(alike[nearest]) >= SAME:
            repeats.append((place, before[nearest]))
        else:
            kept.append((place, None))
    return (kept + repeats)[:k]
