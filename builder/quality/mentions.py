"""Rows in; how groups of people are mentioned in them, and in which tone, out.

A model repeats what it is shown, so a view of who is spoken about, and how, is worth a look before
training. It counts words; whether a mention is fair is for a person to read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from builder.dataset import Row
from lorekeeper.text import sentences

_GROUPS = {
    "gender: male": "he him his himself man men guy guys male boy boys father husband mr",
    "gender: female": "she her hers herself woman women lady ladies female girl girls mother wife mrs ms",
    "gender: open": "they them their themself themselves person people folks everyone",
    "age": "young younger old older elderly senior juniors seniors boomer boomers millennial kid kids",
    "origin": "foreigner foreigners immigrant immigrants native natives american chinese european"
    " indian african asian russian german french british mexican arab arabs",
    "religion": "christian christians muslim muslims jew jews jewish hindu hindus buddhist atheist",
    "disability": "disabled disability blind deaf autistic wheelchair dyslexic crazy insane lame",
    "sexuality": "gay lesbian bisexual transgender queer straight",
}
_HARSH = frozenset(
    [
        *(
            "stupid",
            "dumb",
            "idiot",
            "idiots",
            "lazy",
            "incompetent",
            "useless",
            "terrible",
            "awful",
        ),
        *("hate", "hates", "wrong", "bad", "worst", "worse", "fault", "blame", "blamed", "broken"),
        *("annoying", "clueless", "ridiculous", "pathetic", "fail", "fails", "failed", "never"),
        *(
            "problem",
            "complain",
            "complains",
            "confused",
            "angry",
            "slow",
            "weak",
            "crazy",
            "insane",
        ),
    ]
)
_WORD = re.compile(r"[^\W\d_]+")
EXAMPLES = 3  # pairs named


@dataclass(frozen=True, slots=True, kw_only=True)
class Mentioned:
    """A group of people: how many pairs mention it, and how many of those beside a harsh word."""

    group: str
    pairs: int
    harsh: int
    examples: tuple[int, ...]  # pair ids, harsh ones first

    @property
    def harsh_share(self) -> float:
        return self.harsh / self.pairs if self.pairs else 0.0


def mentioned(rows: Sequence[Row]) -> tuple[Mentioned, ...]:
    """Groups that are mentioned at all, the commonest first."""
    plain: dict[str, list[int]] = {group: [] for group in _GROUPS}
    harsh: dict[str, list[int]] = {group: [] for group in _GROUPS}
    for row in rows:
        found = _tones(f"{row.question}\n{row.answer}")
        for group, is_harsh in found.items():
            (harsh if is_harsh else plain)[group].append(row.pair_id)
    counted = [
        Mentioned(
            group=group,
            pairs=len(plain[group]) + len(harsh[group]),
            harsh=len(harsh[group]),
            examples=tuple([*harsh[group], *plain[group]][:EXAMPLES]),
        )
        for group in _GROUPS
    ]
    return tuple(sorted((one for one in counted if one.pairs), key=lambda one: -one.pairs))


def _tones(text: str) -> dict[str, bool]:
    """Groups in the text, and whether one of the sentences about them is harsh."""
    tones: dict[str, bool] = {}
    for sentence in sentences(text):
        if sentence.startswith("```"):
            continue
        said = {word.casefold() for word in _WORD.findall(sentence)}
        for group in {_OF[word] for word in said & _OF.keys()}:
            tones[group] = tones.get(group, False) or bool(said & _HARSH)
    return tones


_OF = {word: group for group, words in _GROUPS.items() for word in words.split()}
