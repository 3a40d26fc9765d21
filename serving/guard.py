"""A model's words in, piece by piece; the same words out, without what no answer may hold.

No answer wakes a whole channel, opens an address that stands in no source, or recites the
instructions: the first would obey an injected order, the second carries data out (a link can hold
anything that the model was shown), the third shows what a channel's curators wrote for the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

RECITED = 8  # words of the instructions in a row that are a recital; fewer happen by chance
ELSEWHERE = "[a link that is in no source was left out]"
NOT_RECITED = "[…]"

_BROADCAST = re.compile(r"<!(?:subteam\^)?(\w+)(?:\|([^>]*))?>")
_URL = re.compile(r"[a-z][a-z+.-]*://[^\s<>)\]\"'`|]+", re.IGNORECASE)
_WORDS = re.compile(r"\s*\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Guard:
    """Stands between a model and whoever reads it."""

    known: tuple[str, ...]
    """Texts whose addresses may be repeated: the question and the passages."""
    instructions: str
    """What is not to be recited."""

    def clean(self, pieces: Iterable[str]) -> Iterator[str]:
        """Whole words, as soon as each is finished; a run of the instructions waits for its end."""
        run: list[str] = []  # words that may become a recital
        for word in _whole_words(pieces):
            run.append(self._allowed(word))
            if self._recites(run):
                continue
            if len(run) > RECITED:
                yield f"{NOT_RECITED} "
                run = run[-1:]
            while run and not self._recites(run):
                yield run.pop(0)
        if len(run) >= RECITED:
            yield NOT_RECITED
        else:
            yield from run

    def _allowed(self, word: str) -> str:
        quiet = _BROADCAST.sub(lambda found: found[2] or found[1], word).replace("<!", "")
        return _URL.sub(lambda found: found[0] if self._knows(found[0]) else ELSEWHERE, quiet)

    def _knows(self, url: str) -> bool:
        address = url.rstrip(".,;:!?*_")
        return any(address in text for text in self.known)

    def _recites(self, run: list[str]) -> bool:
        said = _plain("".join(run))
        return bool(said) and f" {said} " in f" {_known(self.instructions)} "


def _whole_words(pieces: Iterable[str]) -> Iterator[str]:
    """Words with the white space around them; the last one when nothing follows it any more."""
    held = ""
    for piece in pieces:
        held += piece
        end = max((at for at, sign in enumerate(held, 1) if sign.isspace()), default=0)
        yield from _WORDS.findall(held[:end])
        held = held[end:]
    yield from _WORDS.findall(held)


@lru_cache(maxsize=256)
def _known(instructions: str) -> str:
    """As every word of an answer is compared with it."""
    return _plain(instructions)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
