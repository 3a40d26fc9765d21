"""An answer and the passages that it was given in; the answer with numbers where a passage supports it out.

The model's word is not taken for it. A sentence gets the number of the passage that holds most of
its content words and at least two of its word pairs, and none where no passage does: the measure is
the sentence's containment in the passage, after Broder ("On the resemblance and containment of
documents", 1997), on stemless words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from lorekeeper.domain import Citation, Passage
from lorekeeper.text import sentences, shorten, words

ENOUGH = 0.6  # share of a sentence's content words that a passage must hold
FEWEST = 3  # content words; with fewer, nothing can be told
PAIRS = 2  # neighbouring words that sentence and passage must share
QUOTE = 160  # characters of a passage that a citation shows
FENCE = "```"
# What the model took for a citation; a Markdown link's text is none, nor is an index in code.
_NUMBER = re.compile(r"^\[\d{1,3}(?:, ?\d{1,3})*\](?!\() ?| ?\[\d{1,3}(?:, ?\d{1,3})*\](?!\()")
_CODE = re.compile(r"(`[^`\n]*`)")
_COMMON = frozenset(
    ["a", "an", "and", "are", "as", "at", "be", "but", "by", "can", "do", "does", "for", "from",
     "has", "have", "if", "in", "into", "is", "it", "its", "not", "of", "on", "or", "so", "that",
     "the", "then", "there", "they", "this", "to", "use", "was", "when", "which", "will", "with", "you", "your"]
)  # fmt: skip


@dataclass(slots=True)
class Citer:
    """Takes an answer piece by piece, and gives it back sentence by sentence, with numbers."""

    passages: Sequence[Passage]
    used: dict[int, str] = field(default_factory=dict)  # number to the first sentence it supports
    _held: str = ""

    def cite(self, pieces: Iterable[str]) -> Iterator[str]:
        """Finished sentences, each as soon as it is finished."""
        for piece in pieces:
            self._held += piece
            yield from self._finished(last=False)
        yield from self._finished(last=True)

    def citations(self) -> tuple[Citation, ...]:
        """What the numbers open, in their order."""
        return tuple(citation(number, self.passages) for number in sorted(self.used))

    def _finished(self, *, last: bool) -> Iterator[str]:
        """Everything but the last sentence, which may go on; an open code block goes on for certain."""
        parts = _with_code_whole(sentences(self._held))
        ready = parts if last else parts[:-1]
        self._held = "" if last else self._held[sum(map(len, ready)) :]
        for part in ready:
            yield self._with_number(part)

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
    )


def supporting(sentence: str, passages: Sequence[Passage]) -> int | None:
    """The number, from 1, of the passage that supports the sentence best; None where none does."""
    said = [word for word in words(sentence) if word not in _COMMON]
    if len(set(said)) < FEWEST:
        return None
    scored = [(_support(said, words(p.text)), -number) for number, p in enumerate(passages, 1)]
    best, place = max(scored, default=(0.0, 0))
    return -place if best >= ENOUGH else None


def _support(said: Sequence[str], passage: Sequence[str]) -> float:
    """Share of the distinct content words that the passage holds; 0 without enough shared pairs."""
    held = set(passage)
    content = [word for word in passage if word not in _COMMON]
    shared = set(pairwise(said)) & set(pairwise(content))
    distinct = set(said)
    needed = min(PAIRS, len(said) - 1)
    return len(distinct & held) / len(distinct) if len(shared) >= needed else 0.0


def without_numbers(sentence: str) -> str:
    """The sentence without the numbers that the model wrote. Code stays as it is."""
    return "".join(
        part if part.startswith("`") else _NUMBER.sub("", part) for part in _CODE.split(sentence)
    )


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
