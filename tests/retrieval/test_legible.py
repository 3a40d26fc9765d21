"""What hides words from a search goes; what a script needs to be written stays."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.legible import legible


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("re\u200bset the pass\u00adword", "reset the password"),  # zero-width space, soft hyphen
        ("\u202egnp.exe\u202c", "gnp.exe"),  # an override of the direction
        ("hello\U000e0068\U000e0069", "hello"),  # tag characters
        ("ad\u200dmin", "admin"),  # a joiner between Latin letters
        ("p\u0430yp\u0430l", "paypal"),  # Cyrillic letters in a Latin word
        ("\u0391dmin", "Admin"),  # a Greek one
        ("ﬁle Ｆｕｌｌ ｗｉｄｔｈ 𝐛𝐨𝐥𝐝 ⓐ", "file Full width bold a"),
        ("e\u0301", "é"),
        ("z" + "\u0301" * 30, "ź" + "\u0301" * 4),  # a heap of marks
        ("one\u2028two\x0cthree", "one\ntwo\nthree"),
        ("a\ud800b", "a\ufffdb"),  # half of a character
    ],
)
def test_tricks_are_undone(written: str, read: str) -> None:
    assert legible(written) == read


@pytest.mark.parametrize(
    "text",
    [
        "plain words, 10² m and x₁\tin\ncode();",
        "Москва",  # Cyrillic throughout
        "Δt und λx",  # Greek letters that look like no Latin ones
        "می‌خواهم",  # Persian needs its joiner
        "क्‍ष",  # so does Hindi
        "👩‍💻 ❤️",  # and so do emoji
        "日本語 한국어 ไทย",
    ],
)
def test_what_is_written_honestly_stays(text: str) -> None:
    assert legible(text) == unicodedata.normalize("NFC", text)


@given(st.text())
def test_doing_it_twice_changes_nothing_more(text: str) -> None:
    once = legible(text)
    assert legible(once) == once
    once.encode()


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays_to_the_letter(text: str) -> None:
    assert legible(text) == text
