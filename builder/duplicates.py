"""Pairs in, groups of pairs that must not part in a split out.

Pairs belong together when they come from one conversation, or when the question or the answer of
one says nearly the same as that of another, by the words that they share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lorekeeper.domain import Pair
from lorekeeper.similar import SimilarTexts, words

THRESHOLD = 0.8
"""Share of common words from which two texts count as the same: one word in five may differ."""
QUESTION_WORDS = 4
ANSWER_WORDS = 8
"""Shorter texts ("any idea?", "yes, that works") recur without meaning the same, and would chain
unrelated conversations into one group. Word for word the same counts at any length when both the
question and the answer are."""


def groups(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Pairs that must stay on one side, each group and the groups in the order of their first pair."""
    return [[pairs[index] for index in part] for part in joined(len(pairs), _links(pairs))]


def joined(count: int, links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Indexes below `count` in the parts that the links join them to, in the order of their first."""
    leader = list(range(count))
    for one, other in links:
        leader[_find(leader, one)] = _find(leader, other)
    found: dict[int, list[int]] = {}
    for index in range(count):
        found.setdefault(_find(leader, index), []).append(index)
    return list(found.values())


def near(texts: Sequence[str], *, least_words: int) -> Iterator[tuple[int, int]]:
    """Indexes of texts with at least `least_words` different words that say nearly the same."""
    seen = SimilarTexts[int](THRESHOLD)
    for index, found in enumerate(map(words, texts)):
        if len(found) >= least_words:
            yield from ((other, index) for other, _ in seen.like(found))
            seen.put(index, found)


def _links(pairs: Sequence[Pair]) -> Iterator[tuple[int, int]]:
    yield from same([pair.conversation for pair in pairs])
    yield from same([f"{pair.question.strip()}\0{pair.answer.strip()}" for pair in pairs])
    yield from near([pair.question for pair in pairs], least_words=QUESTION_WORDS)
    yield from near([pair.answer for pair in pairs], least_words=ANSWER_WORDS)


def same(keys: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Indexes of equal keys: each with the first of its kind."""
    first: dict[str, int] = {}
    for index, key in enumerate(keys):
        if first.setdefault(key, index) != index:
            yield first[key], index


def _find(leader: list[int], index: int) -> int:
    while leader[index] != index:
        leader[index] = leader[leader[index]]
        index = leader[index]
    return index
