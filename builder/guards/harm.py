"""Scores before and after in; one thing that may have become worse, with how sure that is, out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lorekeeper.paired import Difference, paired


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """One thing that may have become worse."""

    what: str  # in words: "reasoning, loss on general questions"
    unit: str  # of the difference: "nats per token"
    found: Difference  # after minus before
    allowed: float  # by how much it may rise
    p: float  # one-sided, of "it rose by no more than is allowed"
    is_settled_by_chance: bool  # a rise above what is allowed that may be chance does not count
    advice: str = ""  # which setting to change, where it is too large


def harm(
    what: str,
    *,
    before: Sequence[float],
    after: Sequence[float],
    allowed: float,
    unit: str,
    clusters: Sequence[str] | None = None,
    is_settled_by_chance: bool = False,
    advice: str = "",
) -> Harm:
    """Compare two sides of the same questions, where more is worse.

    Raises:
        ValueError: there is nothing to compare, or the sides differ in length.
    """
    beyond = paired(after, [value + allowed for value in before], clusters)
    return Harm(
        what=what,
        unit=unit,
        found=paired(after, before, clusters),
        allowed=allowed,
        p=beyond.p_higher,
        is_settled_by_chance=is_settled_by_chance,
        advice=advice,
    )
