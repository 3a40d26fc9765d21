"""Scored candidates in; those to show, read again by the reranker and with repetitions folded, out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.fuse import folded
from retrieval.rerank import Reranker

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ranked:
    """One candidate, by its place in what was given."""

    place: int
    reranked: float | None  # by the cross-encoder; None: it did not read this one
    repeats: int | None  # the place of a better one that says the same


def ranked(
    question: str,
    scores: NDArray[np.float32],
    standing: NDArray[np.float32],
    vectors: NDArray[np.float32],
    text: Callable[[int], str],
    *,
    shown: int,
    reranker: Reranker | None = None,
) -> list[Ranked]:
    """The best `shown` candidates, best first.

    Args:
        scores: as fused, standing included, shape [candidates].
        standing: what approval and age add, so that they weigh in the reranker's order, too.
        vectors: of length one, shape [candidates, dimensions].
        text: of the candidate at a place; asked only for those that the reranker may read.
    """
    order = (-scores).argsort(kind="stable").tolist()
    again = _read(question, order, text, reranker) if reranker else {}
    # What was read stands before what was not, and that stays in its fused order.
    order.sort(key=lambda place: -(1 + again[place] + standing[place]) if place in again else 0.0)
    return [
        Ranked(order[at], again.get(order[at]), None if better is None else order[better])
        for at, better in folded(vectors[order], shown)
    ]


def _read(
    question: str, order: list[int], text: Callable[[int], str], reranker: Reranker
) -> dict[int, float]:
    first = order[: reranker.reads]
    found = reranker.scores(question, [text(place) for place in first])
    return dict(zip(first, found, strict=False))  # fewer where the time was up
