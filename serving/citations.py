"""An answer and the passages that it was given in; the answer with numbers where a passage supports it out.

The model's word is not taken for it. A sentence gets the number of the passage that holds most of
its content words and at least two of its word pairs, and none where no passage does: the measure is
the sentence's containment in the passage, after Broder ("On the resemblance and containment of
documents", 1997), on words cut to their stems. A figure that the passage lacks, or a "not" that only
one of the two has, is no support, however many words are shared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from lorekeeper.domain import Citation, Passage
from lorekeeper.text import sentences, shorten, words

ENOUGH = 0.75  # share of a sentence's content words that a sentence of a passage must hold
ACROSS = 0.15  # more where two sentences of the passage are put together
FEWEST = 3  # content words; with fewer, nothing can be told
PAIRS = 2  # neighbouring words that sentence and passage must share
STEM = 6  # letters of a word that count: "renewed" and "renewal" are one word
QUOTE = 160  # characters of a passage that a citation shows
READ = 1_024  # passages of which is remembered what they say
FENCE = "```"
# What the model took for a citation; a Markdown link's text is none, nor is an index in code.
_NUMBER = re.compile(r"^\[\d{1,3}(?:, ?\d{1,3})*\](?!\() ?| ?\[\d{1,3}(?:, ?\d{1,3})*\](?!\()")
_CODE = re.compile(r"(`[^`\n]*`)")
# What the next characters may still change: a number, code, the white space before a number.
_UNSURE = re.compile(r"(?: ?\[[\d, ]*\]?|\s+|`[^`\n]*|`+)\Z")
_NEGATION = frozenset({"not", "never", "no", "none", "nobody", "nothing", "cannot", "without", "t"})
_COMMON = frozenset(
    ["a", "an", "and", "are", "as", "at", "be", "but", "by", "can", "do", "does", "for", "from",
     "has", "have", "if", "in", "into", "is", "it", "its", "of", "on", "or", "so", "that", "the",
     "then", "there", "they", "this", "to", "use", "was", "we", "were", "when", "which", "will",
     "with", "you", "your"]
)  # fmt: skip


@dataclass(slots=True)
class Citer:
    """Takes an answer piece by piece, and gives it back as it comes; a number follows its sentence.

    The words come at once, but for what may still turn out to be a number or code.
    """

    passages: Sequence[Passage]
    used: dict[int, str] = field(default_factory=dict)  # number to the first sentence it supports
    _held: str = ""  # the sentence that is being written
    _told: int = 0  # how many characters of it are out

    def take(self, piece: str) -> str:
        """Finished sentences with their number, then what is certain of the one that goes on."""
        if not piece:
            return ""
        parts = _with_code_whole(sentences(self._held + piece))
        finished = self._finished(parts[:-1])
        self._held = parts[-1]
        certain = _certain(self._held)
        ready = finished + certain[self._told :]
        self._told = max(self._told, len(certain))
        return ready

    def rest(self) -> str:
        """What was held back, when no more comes."""
        return self._finished(_with_code_whole(sentences(self._held)))

    def _finished(self, parts: Sequence[str]) -> str:
        told = ""
        for part in parts:
            told += self._with_number(part)[self._told :]
            self._told = 0
        return told

    def _with_number(self, sentence: str) -> str:
        if sentence.startswith(FENCE):
            return sentence
        plain = without_numbers(sentence)
        number = supporting(plain, self.passages)
        if number is None:
            return plain
        self.used.setdefault(number, plain)
        body = plain.rstrip()
        return f"{body} [{number}]{plain[len(body) :]}"


def citation(number: int, passages: Sequence[Passage]) -> Citation:
    """What a number opens: the passage at that place, counted from 1."""
    passage = passages[number - 1]
    return Citation(
        number=number,
        passage_id=passage.id,
        title=passage.title,
        url=passage.url,
        quote=shorten(passage.text, QUOTE),
        pair_id=passage.pair_id,
    )


def supporting(sentence: str, passages: Sequence[Passage]) -> int | None:
    """The number, from 1, of the passage that supports the sentence best; None where none does."""
    claim = _Said.of(sentence)
    if len(set(claim.content)) < FEWEST:
        return None
    scored = [(_support(claim, p.text), -number) for number, p in enumerate(passages, 1)]
    best, place = max(scored, default=(0.0, 0))
    return -place if best >= ENOUGH else None


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
    shared = set(pairwise(claim.content)) & set(pairwise(said.content))
    if len(shared) < min(PAIRS, len(claim.content) - 1) or not claim.figures <= said.figures:
        return 0.0
    distinct = set(claim.content)
    return len(distinct & set(said.content)) / len(distinct)


def without_numbers(sentence: str) -> str:
    """The sentence without the numbers that the model wrote. Code stays as it is."""
    return "".join(
        part if part.startswith("`") else _NUMBER.sub("", part) for part in _CODE.split(sentence)
    )


def _certain(part: str) -> str:
    """The beginning of an unfinished sentence that stays as it is, whatever comes next."""
    if part.startswith(FENCE):
        return part.rstrip("`") if len(part.rstrip("`")) > len(FENCE) else ""
    before = None
    while before != part:
        before, part = part, _UNSURE.sub("", part)
    return without_numbers(part)


def _with_code_whole(parts: Iterable[str]) -> list[str]:
    """Sentences, where a full stop inside `code` ends none."""
    whole: list[str] = []
    for part in parts:
        if whole and not part.startswith(FENCE) and _is_in_code(whole[-1]):
            whole[-1] += part
        else:
            whole.append(part)
    return whole


def _is_in_code(part: str) -> bool:
    return not part.startswith(FENCE) and not part.endswith("\n") and part.count("`") % 2 == 1
