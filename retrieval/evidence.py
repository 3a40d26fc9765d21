"""Hits of one search in, best first; those that an answer may be made from, or none, out."""

from __future__ import annotations

from collections.abc import Sequence

from lorekeeper.domain import Hit

BESIDE = 0.5  # share of the best hit's evidence from which another one is shown beside it


def enough(hits: Sequence[Hit], least: float) -> list[Hit]:
    """The hits to answer from, in their order; empty where no hit has evidence of at least `least`.

    Whether to answer is decided by the best hit. Training and serving share this rule, so that a model
    is trained on the very passages that it is given later.
    """
    best = max((hit.evidence for hit in hits), default=0.0)
    if best < least:
        return []
    return [hit for hit in hits if hit.evidence >= BESIDE * best]
