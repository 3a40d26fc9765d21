"""A sentence and passages in; which of them supports it, and which speaks against it, out.

A passage supports a sentence when it holds most of its content words and at least two of its word
pairs: the measure is the sentence's containment in the passage, after Broder ("On the resemblance and
containment of documents", 1997), on words cut to their stems. A figure that the passage lacks, or a
"not" that only one of the two has, is no support, however many words are shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from lorekeeper.domain import Passage
from lorekeeper.text import sentences, words

ENOUGH = 0.75  # share of a sentence's content words that a sentence of a passage must hold
ACROSS = 0.15  # more where two sentences of the passage are put together
FEWEST = 3  # content words; with fewer, nothing can be told
PAIRS = 2  # neighbouring words that sentence and passage must share
READ = 1_024  # passages of which is remembered what they say
STEM = 6  # letters of a word that count: "renewed" and "renewal" are one word
_NEGATION = frozenset({"not", "never", "no", "none", "nobody", "nothing", "cannot", "without", "t"})
_COMMON = frozenset(
    ["a", "an", "and", "are", "as", "at", "be", "but", "by", "can", "do", "does", "for", "from",
     "has", "have", "if", "in", "into", "is", "it", "its", "of", "on", "or", "so", "that", "the",
     "then", "there", "they", "this", "to", "use", "was", "we", "were", "when", "which", "will",
     "with", "you", "your"]
)  # fmt: skip


def supporting(sentence: str, passages: Sequence[Passage]) -> int | None:
    """The number, from 1, of the passage that supports the sentence best; None where none does."""
    claim = _Said.of(sentence)
    if len(set(claim.content)) < FEWEST:
        return None
    scored = [(_support(claim, p.text), -number) for number, p in enumerate(passages, 1)]
    best, place = max(scored, default=(0.0, 0))
    return -place if best >= ENOUGH else None


def claims(sentence: str) -> bool:
    """Whether the sentence says enough to be supported or not."""
    return len(set(_Said.of(sentence).content)) >= FEWEST


def contradicts(passage: Passage, sentence: str) -> bool:
    """Whether a passage says the same as the sentence but for a figure or a "not"."""
    claim = _Said.of(sentence)
    wordy = claim.without_figures()
    if len(set(wordy.content)) < FEWEST or supporting(sentence, [passage]):
        return False
    return any(
        _overlap(wordy, said.without_figures()) >= ENOUGH
        and (said.negated != claim.negated or _differ(claim.figures, said.figures))
        for said in said_in(passage.text)
    )


def _differ(claimed: frozenset[str], said: frozenset[str]) -> bool:
    """Each has a figure that the other lacks; one that says less does not speak against more."""
    return bool(claimed - said) and bool(said - claimed)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a text says, as far as it is compared."""

    content: tuple[str, ...]  # stems of its content words, in order
    figures: frozenset[str]  # words with a digit in them
    negated: bool

    def __add__(self, other: _Said) -> _Said:
        return _Said(
            self.content + other.content,
            self.figures | other.figures,
            self.negated or other.negated,
        )

    def without_figures(self) -> _Said:
        """What is said, whichever numbers it is said of."""
        stems = {word[:STEM] for word in self.figures}
        wordy = tuple(word for word in self.content if word not in stems)
        return _Said(wordy, frozenset(), self.negated)

    @classmethod
    def of(cls, text: str) -> _Said:
        found = words(text)
        told = [word for word in found if word not in _COMMON and word not in _NEGATION]
        return cls(
            content=tuple(word[:STEM] for word in told),
            figures=frozenset(word for word in told if any(map(str.isdigit, word))),
            negated=not _NEGATION.isdisjoint(found),
        )


def _support(claim: _Said, passage: str) -> float:
    """Share of the claim's distinct content words that a sentence of the passage holds, at best, or two
    in a row, less `ACROSS`; 0 where something speaks against it."""
    parts = said_in(passage)
    wanted = set(claim.content)
    nearest = max(parts, key=lambda part: len(wanted & set(part.content)), default=None)
    if nearest is None or nearest.negated != claim.negated:
        return 0.0
    across = [_share(claim, one + other) - ACROSS for one, other in pairwise(parts)]
    return max([*(_share(claim, part) for part in parts), *across])


@lru_cache(maxsize=READ)
def said_in(passage: str) -> tuple[_Said, ...]:
    """What each sentence says: read once, compared with every sentence of an answer."""
    return tuple(map(_Said.of, sentences(passage)))


def _share(claim: _Said, said: _Said) -> float:
    return _overlap(claim, said) if claim.figures <= said.figures else 0.0


def _overlap(claim: _Said, said: _Said) -> float:
    """Share of the claim's distinct content words that are said, whatever the figures."""
    shared = set(pairwise(claim.content)) & set(pairwise(said.content))
    if len(shared) < min(PAIRS, len(claim.content) - 1):
        return 0.0
    distinct = set(claim.content)
    return len(distinct & set(said.content)) / len(distinct)
