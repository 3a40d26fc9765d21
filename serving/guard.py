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
ELSEWHERE = "[a link that is in no source was left out]"
NOT_RECITED = "[…]"

_BROADCAST = re.compile(r"<!(?:subteam\^)?(\w+)(?:\|([^>]*))?>")
_URL = re.compile(r"[a-z][a-z+.-]*://[^\s<>)\]\"'`|]+", re.IGNORECASE)
_WORDS = re.compile(r"\s*\S+\s*|\s+")


@dataclass(slots=True)
class Guard:
    """Stands between a model and whoever reads it, for one answer."""

    known: tuple[str, ...]
    """Texts whose addresses may be repeated: the question and the passages."""
    instructions: str
    """What is not to be recited."""
    _half: str = ""  # a word that is not here whole
    _run: list[str] = field(default_factory=list)  # words that may become a recital

    def take(self, piece: str) -> str:
        """Whole words, as soon as each is finished; a run of the instructions waits for its end."""
        self._half += piece
        end = max((at for at, sign in enumerate(self._half, 1) if sign.isspace()), default=0)
        whole, self._half = self._half[:end], self._half[end:]
        return "".join(map(self._next, _WORDS.findall(whole)))

    def rest(self) -> str:
        """What was held back, when no more comes."""
        ready = "".join(map(self._next, _WORDS.findall(self._half)))
        held = NOT_RECITED if len(self._run) >= RECITED else "".join(self._run)
        self._half, self._run = "", []
        return ready + held

    def _next(self, word: str) -> str:
        """What is ready to be shown when this word has come."""
        run = self._run
        run.append(self._allowed(word))
        if self._recites(run):
            return ""
        shown = ""
        if len(run) > RECITED:
            shown = f"{NOT_RECITED} "
            del run[:-1]
        while run and not self._recites(run):
            shown += run.pop(0)
        return shown

    def _allowed(self, word: str) -> str:
        quiet = _BROADCAST.sub(lambda found: found[2] or found[1], word).replace("<!", "")
        return _URL.sub(lambda found: found[0] if self._knows(found[0]) else ELSEWHERE, quiet)

    def _knows(self, url: str) -> bool:
        address = url.rstrip(".,;:!?*_")
        return any(address in text for text in self.known)

    def _recites(self, run: list[str]) -> bool:
        said = _plain("".join(run))
        return bool(said) and f" {said} " in f" {_known(self.instructions)} "


@lru_cache(maxsize=256)
def _known(instructions: str) -> str:
    """As every word of an answer is compared with it."""
    return _plain(instructions)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
