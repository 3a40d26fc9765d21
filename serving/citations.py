"""An answer and the passages that it was given in; the answer with numbers where a passage supports it out.

The model's word is not taken for it: its own numbers are left out, and a sentence gets the number of
the passage that supports it (`lorekeeper.support`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lorekeeper.domain import Citation, Passage
from lorekeeper.support import supporting
from lorekeeper.text import sentences, shorten

QUOTE = 160  # characters of a passage that a citation shows
FENCE = "```"
# What the model took for a citation; a Markdown link's text is none, nor is an index in code.
_NUMBER = re.compile(r"^\[\d{1,3}(?:, ?\d{1,3})*\](?!\() ?| ?\[\d{1,3}(?:, ?\d{1,3})*\](?!\()")
_CODE = re.compile(r"(`[^`\n]*`)")
# What the next characters may still change: a number, code, the white space before a number.
_UNSURE = re.compile(r"(?: ?\[[\d, ]*\]?|\s+|`[^`\n]*|`+)\Z")


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
