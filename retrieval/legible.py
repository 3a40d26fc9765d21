"""Text as somebody wrote or forged it in; the same text as a reader sees it, so that a search finds it, out.

Invisible characters, overrides of the writing direction and letters that only look like Latin ones hide
words from a search, or hide words for a model in a text for people. They are taken out or replaced; what
can be seen, and what a script needs to be written, stays.
"""

from __future__ import annotations

import re
import unicodedata

# What is drawn as nothing: soft hyphens, zero-width spaces, direction marks and overrides, fillers, tag
# characters, variation selectors other than an emoji's, and control characters other than white space.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]"
)
# Joiners belong to Persian, to Indic scripts and to emoji; between Latin letters they only hide a word.
_JOINER = re.compile("(?<=[0-9A-Za-z])[\u200c\u200d]+(?=[0-9A-Za-z])")
_HEAP = re.compile("([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{4})[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+")  # fmt: skip
# Ligatures, letters in circles, of mathematics and in full width: other shapes of the same letters.
_SHAPES = re.compile("[\u24b6-\u24e9\ufb00-\ufb06\uff01-\uff5e\U0001d400-\U0001d7ff]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_WORD = re.compile(r"[^\W\d_]{3,}")
_ASCII = re.compile("[A-Za-z]")
_LATIN = str.maketrans(
    "АВЕЅЗІЈКМНОРСТХУаеѕіјорсухԁԛԝһпԌ"  # Cyrillic
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧανορυϲϳ",  # Greek
    "ABES3IJKMHOPCTXYaesijopcyxdqwhnG"  # the Latin letter that each is drawn as
    "ABEZHIKMNOPTYXavopucj",
)


def legible(text: str) -> str:
    """The text without what cannot be seen, in Unicode's composed form.

    A word of Latin letters with Cyrillic or Greek ones among them that look Latin becomes Latin; a word
    that is Cyrillic or Greek throughout stays. Doing it twice changes nothing more.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _BREAKS.sub("\n", _SURROGATE.sub("\ufffd", text))
    text = _SHAPES.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    text = _JOINER.sub("", _UNSEEN.sub("", text))
    text = _WORD.sub(lambda found: _as_latin(found[0]), unicodedata.normalize("NFC", text))
    return _HEAP.sub(r"\1", unicodedata.normalize("NFC", text))


def _as_latin(word: str) -> str:
    """Only where every letter of the other script has a Latin twin: `Δλt` is no forgery."""
    if word.isascii() or not _ASCII.search(word):
        return word
    forged = word.translate(_LATIN)
    return forged if forged.isascii() else word
