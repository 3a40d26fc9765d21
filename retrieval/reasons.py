"""One search in; what it found, and what came near it and was left out, each with the reason, out.

For whoever runs the machine and may read everything: what is named here may be private.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass

from lorekeeper.domain import PUBLIC, Hit, Passage, PassageKind, public_of
from retrieval.evidence import BESIDE
from retrieval.index import EVERY_KIND, Index
from retrieval.rerank import Reranker

NEAR = 20  # of all passages, how many of the best are accounted for


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A search as it was asked for."""

    question: str
    scopes: frozenset[str]
    k: int
    exclude: frozenset[str] = frozenset()
    kinds: frozenset[PassageKind] = EVERY_KIND


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A passage that would have been near the top, with its place among all that there are."""

    hit: Hit
    place: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    found: list[Hit]  # the k best, as a search gives them
    left_out: list[LeftOut]


def explain(
    index: Index,
    asked: Asked,
    *,
    withdrawn: Callable[[Iterable[Passage]], Set[str]] = lambda passages: frozenset(),
    reranker: Reranker | None = None,
) -> Explanation:
    """Search as asked, and again among all passages; what only the second finds was left out.

    `withdrawn` gives the ids of passages whose source is gone at this moment.
    """
    ranked = index.trace(
        asked.question, scopes=asked.scopes, k=asked.k, exclude=asked.exclude, kinds=asked.kinds,
        reranker=reranker,
    )  # fmt: skip
    everything = index.trace(asked.question, scopes=None, k=asked.k, reranker=reranker)[:NEAR]
    gone = withdrawn(hit.passage for hit in (*ranked, *everything))
    ranked = [hit for hit in ranked if hit.passage.id not in gone]
    found = ranked[: asked.k]
    places = {hit.passage.id: place for place, hit in enumerate(found, 1)}
    seen = {hit.passage.id: hit for hit in ranked}
    return Explanation(
        found=found,
        left_out=[
            LeftOut(
                hit=seen.get(hit.passage.id, hit),
                place=place,
                reason=_reason(seen.get(hit.passage.id, hit), asked, places, gone, index),
            )
            for place, hit in enumerate(everything, 1)
            if hit.passage.id not in places
        ],
    )


def weakness(hit: Hit, found: list[Hit], least: float) -> str:
    """Why an answer would not be made from this hit, by the rule of `retrieval.evidence`; "" if it would."""
    best = max(one.evidence for one in found)
    if best < least:
        return f"no answer: the best evidence is {best:.2f}, below {least:g}"
    if hit.evidence < BESIDE * best:
        return f"not used: {hit.evidence:.2f} is less than half of the best evidence"
    return ""


def _reason(hit: Hit, asked: Asked, places: dict[str, int], gone: Set[str], index: Index) -> str:
    passage = hit.passage
    if passage.id in gone or not index.holds(passage.id):
        return "withdrawn: its source was deleted, retired, or made private"
    if asked.scopes.isdisjoint(_audience(passage)):
        return f"may not be seen: only by who sees {passage.scope}"
    if passage.kind not in asked.kinds:
        return f"is a {passage.kind}, which was not asked for"
    if not asked.exclude.isdisjoint((passage.conversation, *passage.messages)):
        return "its conversation was excluded"
    if hit.repeats:
        place = places.get(hit.repeats)
        return f"says the same as {f'number {place}' if place else 'a better one'}"
    return f"below the {asked.k} best"


def _audience(passage: Passage) -> set[str]:
    """Every scope that includes it."""
    said_in = passage.conversation.partition("/")[0]
    is_public = passage.scope == PUBLIC and said_in
    return {passage.scope, public_of(said_in)} if is_public else {passage.scope}
