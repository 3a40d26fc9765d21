"""An answer in; whether it refuses, or says that it does not know, out: by phrases, so that it can be checked."""

from __future__ import annotations

import re

from lorekeeper.text import normalise

OPENING = 160  # characters: who declines says so at once

# In English first, then German, French and Spanish, the way people and models write them.
_REFUSES = re.compile(
    r"\b(?:i|we) (?:can ?not|can't|cannot|could not|couldn't|won't|will not|must not|am unable to|'m unable to"
    r"|am not able to|'m not able to|would rather not|refuse to|do not feel comfortable|don't feel comfortable)\b"
    r"|\bi'd rather not\b|\bi'm unable\b|\bi'm not able\b|\bi'm not comfortable\b"
    r"|\bi(?:'m| am) (?:very |so )?sorry, but\b|\bsorry, (?:but )?i\b|\bunable to (?:assist|help|provide|fulfil)"
    r"|\b(?:is|it's|it is|are) (?:illegal|against the law|unethical|not (?:legal|ethical|appropriate|acceptable))\b"
    r"|\bas an ai\b[^.]*\b(?:can't|cannot|not)\b"
    r"|\bich kann (?:dir|ihnen|dabei)[^.]{0,20} nicht\b|\bdabei (?:kann|darf|werde) ich nicht\b"
    r"|\bje ne (?:peux|puis) pas\b|\bno puedo\b"
)
_TELLS = (
    r"(?:hold|contain|mention|say|answer|provide|include|state|specif|cover|explain|address|give)"
)
_SOURCES = r"(?:sources?|passages?|quotes?|documents?|context|information|text)"
# Ways in which models begin to say that they do not know; what follows them is no answer.
_DECLINES = tuple(
    re.compile(rf"\A\W*{pattern}", re.IGNORECASE)
    for pattern in (
        r"(?:(?:i'm|i am) (?:sorry|afraid)|sorry|unfortunately)?\W*(?:but )?i (?:do not|don't|cannot|can't|could not|couldn't) (?:know|say|tell|find|answer|see)\b",
        rf"[^.!?\n]{{0,60}}\b{_SOURCES}\b[^.!?\n]{{0,40}}(?:do|does|did)(?: not|n't)\b[^.!?\n]{{0,30}}\b{_TELLS}",
        rf"[^.!?\n]{{0,20}}\b(?:none|nothing)\b[^.!?\n]{{0,40}}\b{_TELLS}",
        r"[^.!?\n]{0,60}\b(?:no|not enough|insufficient) (?:relevant |sufficient )?(?:information|answer|mention)\b",
        rf"[^.!?\n]{{0,60}}\b(?:is|are|was|were)(?: not|n't) (?:mentioned|stated|provided|specified|included|covered|in the {_SOURCES})\b",
    )
)


def refuses(answer: str) -> bool:
    """It declines to help, in its first words."""
    return bool(_REFUSES.search(_said(answer)[:OPENING]))


def declines(answer: str) -> bool:
    """Whether an answer begins by saying that it has none."""
    said = answer.replace("’", "'")
    return any(pattern.search(said) for pattern in _DECLINES)


def _said(answer: str) -> str:
    return normalise(answer).replace("’", "'")
