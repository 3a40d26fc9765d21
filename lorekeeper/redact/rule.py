"""What may be of a kind that is removed: where it is looked for, and what of it is a value."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

Value = Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What may be of a kind. The pattern's group `value`, where it has one, is what is removed."""

    kind: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...]  # lower case; a text with none of them holds nothing of the kind
    value: Value  # one name for it; empty: it is none
