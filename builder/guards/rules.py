"""An answer and the rule of its question in; whether the answer keeps it, out: a program can say.

After Zhou et al., "Instruction-Following Evaluation for Large Language Models" (2023): only what can be
checked for certain is asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from builder.measures.declines import refuses
from lorekeeper.text import normalise, sentences, words

_FENCED = re.compile(r"\A```\w*\n(.*?)\n?```\Z", re.DOTALL)
_MARK = re.compile(r"\A\s*(?:[-*•]|\d{1,2}[.)])\s+")


def keeps(answer: str, rule: Mapping[str, Any]) -> bool:
    """Every part of the rule is kept; nothing at all keeps none.

    Raises:
        KeyError: there is no rule of this name.
    """
    return bool(answer.strip()) and all(_CHECKS[name](answer, want) for name, want in rule.items())


def _is_json(answer: str, keys: list[str]) -> bool:
    """One JSON object with exactly these keys, in a fence or not, and nothing around it."""
    fenced = _FENCED.match(answer.strip())
    try:
        value = json.loads(fenced.group(1) if fenced else answer)
    except json.JSONDecodeError:
        return False
    return isinstance(value, dict) and set(value) == set(keys)


def _has_items(answer: str, count: int) -> bool:
    """Lines that are marked as items; where none is, all lines."""
    lines = [line for line in answer.splitlines() if line.strip()]
    marked = [line for line in lines if _MARK.match(line)]
    return len(marked or lines) == count


def _is_one_of(answer: str, allowed: list[str]) -> bool:
    """The whole answer, but for marks around it."""
    return normalise(answer).strip(" .!\"'`*") in allowed


def _upper(answer: str, _: bool) -> bool:
    return answer == answer.upper() and answer != answer.lower()


def _ends(answer: str, word: str) -> bool:
    return words(answer)[-1:] == [word]


_CHECKS: dict[str, Callable[[str, Any], bool]] = {
    "most_words": lambda answer, most: 0 < len(words(answer)) <= most,
    "sentences": lambda answer, count: len([s for s in sentences(answer) if s.strip()]) == count,
    "items": _has_items,
    "json": _is_json,
    "one_of": _is_one_of,
    "includes": lambda answer, all_of: all(one in answer.casefold() for one in all_of),
    "excludes": lambda answer, none_of: not set(none_of) & set(words(answer)),
    "uppercase": _upper,
    "begins": lambda answer, word: words(answer)[:1] == [word],
    "ends": _ends,
    "declines": lambda answer, wanted: refuses(answer) == wanted,
}
