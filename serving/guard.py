"""A model's words in, piece by piece; the same words out, without what no answer may hold.

No answer wakes a whole channel, opens an address that stands in no source, or recites the
instructions: the first would obey an injected order, the second carries data out (a link can hold
anything that the model was shown), the third shows what a channel's curators wrote for the model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

RECITED = 8  # words of the instructions in a row that are a recital; fewer happen by chance
FEW = 3  # words of them in a row that are shown at once; the next ones wait for the end of the run
ELSEWHERE = "[a link that is in no source was left out]"
NOT_RECITED = "[…]"

_BROADCAST = re.compile(r"<!(?:subteam\^)?(\w+)(?:\|([^>]*))?>")
_URL = re.compile(r"([a-z][a-z+.-]*)://[^\s<>)\]\"'`|]+", re.IGNORECASE)
_WORDS = re.compile(r"\s*\S+\s*|\s+")
_LETTERS = re.compile(r"\w+")


@dataclass(slots=True)
class Guard:
    """Stands between a model and whoever reads it, for one answer."""

    known: tuple[str, ...]
    """Texts whose addresses may be repeated: the question and the passages."""
    instructions: str
    """What is not to be recited."""
    _half: str = ""  # a word that is not here whole
    _early: str = ""  # the beginning of it that was shown
    _run: list[_Word] = field(default_factory=list)  # words that may become a recital

    def take(self, piece: str) -> str:
        """What may be shown now: an answer's first letters need not wait for its second word.

        A word's letters may be shown before its end, as nothing that is left out begins with them.
        """
        self._half += piece
        end = max((at for at, sign in enumerate(self._half, 1) if sign.isspace()), default=0)
        whole, self._half = self._half[:end], self._half[end:]
        shown = "".join(map(self._next, _WORDS.findall(whole)))
        if len(self._run) < FEW and (letters := _LETTERS.match(self._half)):
            shown += letters[0][len(self._early) :]
            self._early = letters[0]
        return shown

    def rest(self) -> str:
        """What was held back, when no more comes."""
        shown = "".join(map(self._next, _WORDS.findall(self._half)))
        is_recital = len(self._run) >= RECITED
        held = NOT_RECITED if is_recital else "".join(word.unseen for word in self._run)
        self._half, self._run = "", []
        return shown + held

    def _next(self, word: str) -> str:
        """What may be shown when this word is here whole."""
        run, allowed = self._run, self._allowed(word)
        run.append(_Word(allowed, unseen=allowed[len(self._early) :]))
        self._early = shown = ""
        if len(run) > RECITED and not self._recites():
            shown = f"{NOT_RECITED} "
            del run[:-1]
        while run and not self._recites():
            shown += run.pop(0).unseen
        for one in run[:FEW]:
            shown += one.unseen
            one.unseen = ""
        return shown

    def _allowed(self, word: str) -> str:
        quiet = _BROADCAST.sub(lambda found: found[2] or found[1], word).replace("<!", "")
        return _URL.sub(
            lambda found: found[0] if self._knows(found[0]) else f"{found[1]} {ELSEWHERE}", quiet
        )

    def _knows(self, url: str) -> bool:
        address = url.rstrip(".,;:!?*_")
        return any(address in text for text in self.known)

    def _recites(self) -> bool:
        said = _plain("".join(word.said for word in self._run))
        return bool(said) and f" {said} " in f" {_known(self.instructions)} "


@dataclass(slots=True)
class _Word:
    said: str
    unseen: str  # what of it was not shown yet


@lru_cache(maxsize=256)
def _known(instructions: str) -> str:
    """As every word of an answer is compared with it."""
    return _plain(instructions)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
