"""Texts in, one at a time; those that say nearly the same as another one out, in any language.

Similarity is the Jaccard index of the texts' sets of words. A text that shares at least a share `t`
of n words with another one has one of its n - ⌈t·n⌉ + 1 rarest words in common with it (the prefix
principle of Bayardo et al. 2007), so only texts that share a rare word are compared, and nothing is
missed.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

SAME_QUESTION = 0.6
"""Share of common topic words from which two questions ask the same."""
GAP = 0.4
"""Share of common topic words from which two questions point at one gap in what is known."""
SAME_ANSWER = 0.5
"""Two answers to the same question that share fewer words contradict each other, or at least differ."""
COPIED_ANSWER = 0.8
COPIED_WORDS = 8  # a shorter answer ("yes, that works") recurs without meaning the same
TOPIC_WORDS = 2  # a question with fewer ("any idea?") asks nothing by itself
ROUNDING = 1e-9  # 0.6 × 5 must not become more than 3
STEM = 5
"""Letters of a word that count: "rotate", "rotated" and "rotation" are one word. Cutting words off is
the stemmer that needs to know no language (McNamee & Mayfield 2004)."""

_WORD = re.compile(r"\w+")
_CODE_FENCE = re.compile(r"```\w*")
_UNSPACED = re.compile(r"[぀-ヿ㐀-鿿가-힯฀-๿]{2,}")
_ASKING = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "anyone",
        "are",
        "as",
        "at",
        "be",
        "been",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "get",
        "got",
        "had",
        "has",
        "have",
        "hello",
        "help",
        "hey",
        "hi",
        "how",
        "i",
        "if",
        "in",
        "is",
        "it",
        "its",
        "just",
        "know",
        "like",
        "me",
        "my",
        "need",
        "of",
        "on",
        "one",
        "or",
        "our",
        "please",
        "set",
        "should",
        "so",
        "some",
        "somebody",
        "someone",
        "tell",
        "thanks",
        "that",
        "the",
        "them",
        "there",
        "they",
        "this",
        "to",
        "use",
        "using",
        "was",
        "way",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)
"""Words that English questions are made of whatever they ask about."""

Key = TypeVar("Key", bound=Hashable)


class Likeness(StrEnum):
    """How a pair stands to another one."""

    DUPLICATE = "duplicate"  # asks the same and says the same, or is a copy of its answer
    CONFLICT = "conflict"  # asks the same and says something else


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour(Generic[Key]):
    key: Key
    likeness: Likeness
    similarity: float  # of the questions, or of a copied answer: 0 to 1


class Neighbours(Generic[Key]):
    """Pairs by key, each with what it duplicates and what it contradicts."""

    def __init__(self) -> None:
        self._questions = SimilarTexts[Key](SAME_QUESTION)
        self._answers = SimilarTexts[Key](COPIED_ANSWER)
        self._asked: dict[Key, frozenset[str]] = {}
        self._said: dict[Key, frozenset[str]] = {}

    def put(self, key: Key, question: str, answer: str) -> None:
        """Add a pair, or replace its words."""
        self._asked[key], self._said[key] = topic(question), words(answer)
        self._questions.put(key, self._asked[key])
        self._answers.put(key, self._said[key])

    def drop(self, key: Key) -> None:
        """Take a pair away, if it is there."""
        self._questions.drop(key)
        self._answers.drop(key)
        self._asked.pop(key, None)
        self._said.pop(key, None)

    def of(self, question: str, answer: str, *, but: Key | None = None) -> list[Neighbour[Key]]:
        """What a pair with these words is like, the most similar first."""
        asked, said = topic(question), words(answer)
        found: dict[Key, Neighbour[Key]] = {}
        if len(said) >= COPIED_WORDS:
            for key, share in self._answers.like(said):
                if figures(said) == figures(self._said[key]):
                    found[key] = Neighbour(key=key, likeness=Likeness.DUPLICATE, similarity=share)
        if len(asked) >= TOPIC_WORDS:
            for key, share in self._questions.like(asked):
                if figures(asked) != figures(self._asked[key]):
                    continue
                agrees = jaccard(said, self._said[key]) >= SAME_ANSWER
                kind = Likeness.DUPLICATE if agrees else Likeness.CONFLICT
                found.setdefault(key, Neighbour(key=key, likeness=kind, similarity=share))
        if but is not None:
            found.pop(but, None)
        return sorted(found.values(), key=lambda near: -near.similarity)


class SimilarTexts(Generic[Key]):
    """Sets of words by key, searched for those that share at least `threshold` of their words."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._sets: dict[Key, frozenset[str]] = {}
        self._holding: defaultdict[str, set[Key]] = defaultdict(set)

    def put(self, key: Key, found: frozenset[str]) -> None:
        self.drop(key)
        self._sets[key] = found
        for word in found:
            self._holding[word].add(key)

    def drop(self, key: Key) -> None:
        for word in self._sets.pop(key, frozenset()):
            self._holding[word].discard(key)

    def like(self, found: frozenset[str]) -> Iterator[tuple[Key, float]]:
        """Keys of similar sets, each with its Jaccard index."""
        rarest = sorted(found, key=lambda word: (len(self._holding.get(word, ())), word))
        least = math.ceil(self._threshold * len(rarest) - ROUNDING)
        prefix = rarest[: len(rarest) - least + 1]
        candidates = {key for word in prefix for key in self._holding.get(word, ())}
        for key in candidates:
            share = jaccard(found, self._sets[key])
            if share >= self._threshold:
                yield key, share


def alike_groups(questions: Sequence[str]) -> list[list[int]]:
    """Places of questions that ask nearly the same, the largest group first, in each the first one first.

    A question joins the group whose first one it is like; with `GAP` lower than for pairs, as a group is
    read by people, and nothing is merged by it.
    """
    groups: dict[int, list[int]] = {}
    known = SimilarTexts[int](GAP)
    for place, question in enumerate(questions):
        asked = topic(question)
        near = max(known.like(asked), key=lambda found: found[1], default=None) if asked else None
        if near is not None:
            groups[near[0]].append(place)
        else:
            groups[place] = [place]
            known.put(place, asked)
    return sorted(groups.values(), key=len, reverse=True)


def words(text: str) -> frozenset[str]:
    """The different words of a text, whatever their case and form; of a script without spaces, its
    pairs of letters."""
    normal = unicodedata.normalize("NFKC", text).casefold()
    pairs = {run[at : at + 2] for run in _UNSPACED.findall(normal) for at in range(len(run) - 1)}
    return frozenset(_WORD.findall(_UNSPACED.sub(" ", normal))) | pairs


def topic(question: str) -> frozenset[str]:
    """The words that say what a question is about, as stems."""
    asked = words(_CODE_FENCE.sub(" ", question))
    return frozenset(word[:STEM] for word in asked if word not in _ASKING)


def figures(found: frozenset[str]) -> frozenset[str]:
    """The words with a digit: "Python 3.11" and "Python 3.12" are not the same, however much else is."""
    return frozenset(word for word in found if any(map(str.isdigit, word)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared by all; 0 where both are empty."""
    return len(one & other) / len(one | other) if one or other else 0.0
