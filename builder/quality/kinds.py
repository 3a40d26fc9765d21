"""A question in; what kind of question it is, and in which language a text is written, out."""

from __future__ import annotations

import re

from lorekeeper.redact import PLACEHOLDER

SHORTEST = 20  # letters; the language of less is a guess
UNSURE = "unsure"
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|<[^>\s]+>", re.DOTALL)
_KINDS = (
    (
        "error",
        re.compile(r"\b\w*(?:error|exception|traceback|panic|segfault|fails?|failed)\b", re.I),
    ),
    ("how", re.compile(r"\bhow\b|\bbest way\b|\bsteps?\b", re.I)),
    ("why", re.compile(r"\bwhy\b|\bwhat (?:causes|is wrong)\b|\breason\b", re.I)),
    ("where or who", re.compile(r"\b(?:where|who|whom|whose)\b", re.I)),
    ("when", re.compile(r"\b(?:when|how (?:long|often)|deadline)\b", re.I)),
    ("which or what", re.compile(r"\b(?:what|which|difference)\b", re.I)),
    (
        "yes or no",
        re.compile(
            r"^\W*(?:is|are|was|were|do|does|did|can|could|should|would|will|may|has|have|any)\b",
            re.I,
        ),
    ),
)
OTHER = "other"


def kind_of(question: str) -> str:
    """The first kind that the question's words speak for, in the order of how telling they are."""
    plain = _CODE.sub(" ", question)
    return next((kind for kind, pattern in _KINDS if pattern.search(plain)), OTHER)


def language_of(text: str) -> str:
    """ISO 639-1 code of the language, code and placeholders aside; "unsure" for a short text."""
    import py3langid

    plain = PLACEHOLDER.sub(" ", _CODE.sub(" ", text))
    if sum(character.isalpha() for character in plain) < SHORTEST:
        return UNSURE
    return str(py3langid.classify(plain)[0])
