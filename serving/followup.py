"""A question and what was said before it in; the words to search for, which need no thread to be understood, out.

A follow-up ("and on Windows?") is searched together with the question that it follows. Joining the
turns is the strong baseline of conversational search (Dalton et al., "TREC CAsT 2019"); it costs no
time before the first word, and unlike a model's rewriting it cannot ask for what nobody asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lorekeeper.prompt import Turn
from lorekeeper.similar import topic

BACK = 3  # earlier questions that a follow-up is joined with, at most
OWN_TOPIC = 3  # topic words from which a question without a sign of following stands alone
LONGEST = 600  # characters of an earlier question; more would drown the follow-up

_FOLLOWS = re.compile(
    r"^\W*(?:and|but|or|so|also|then|ok(?:ay)?|what about|how about|what if|same|why|really|else|und|aber|et|y)\b"
    r"|\b(?:it|its|that|this|these|those|they|them|their|there|the same|the (?:first|second|last|other) (?:one)?"
    r"|one|instead|he|she|him|her|above)\b",
    re.IGNORECASE,
)


def search_texts(question: str, turns: Sequence[Turn]) -> tuple[str, ...]:
    """What to search for, the likeliest first; the others are for when that finds nothing."""
    asked = [turn["content"][:LONGEST] for turn in turns if turn["role"] == "user"]
    if not asked:
        return (question,)
    joined = " ".join([*_until_whole(asked), question])
    return (joined, question) if follows(question) else (question, joined)


def follows(question: str) -> bool:
    """Whether it needs what was said before: it says so, points back, or names hardly anything."""
    return _FOLLOWS.search(question) is not None or len(topic(question)) < OWN_TOPIC


def _until_whole(asked: Sequence[str]) -> list[str]:
    """The last earlier questions, back to one that stands alone, oldest first."""
    wanted: list[str] = []
    for earlier in reversed(asked[-BACK:]):
        wanted.insert(0, earlier)
        if not follows(earlier):
            break
    return wanted
