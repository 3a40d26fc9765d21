"""Texts of any length in; what Slack takes out."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.blocks.text import escape, escaped, link, pieces, quoted, shorten

TEXT = st.text(max_size=400)


@given(TEXT, st.integers(min_value=2, max_value=120))
def test_what_is_escaped_fits_and_never_ends_inside_an_entity(text, limit):
    shown = escaped(text, limit)
    assert len(shown) <= limit
    assert not re.search(r"[<>]", shown)
    said = html.unescape(shown)
    assert said == text or (said.endswith("…") and text.startswith(said[:-1]))
    assert re.fullmatch(r"(?:[^&]|&(?:amp|lt|gt);)*", shown, re.DOTALL)


@given(TEXT)
def test_escaping_says_the_same(text):
    assert escape(text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


@given(TEXT, st.integers(min_value=2, max_value=100))
def test_shortening_never_lengthens(text, limit):
    assert len(shorten(text, limit)) <= limit
    assert len(text) > limit or shorten(text, limit) == text


@given(st.text(alphabet="ab \n`", max_size=900), st.integers(min_value=60, max_value=200))
def test_pieces_fit_and_lose_no_word(text, limit):
    parts = list(pieces(text, limit))
    assert all(len(part) <= limit for part in parts)
    kept = re.sub(r"[\s`]", "", "".join(parts))
    assert kept == re.sub(r"[\s`]", "", text) or "```" in text


def test_a_code_block_that_is_cut_is_closed_and_opened_again():
    code = "```python\n" + "print(1)\n" * 40 + "```"
    parts = list(pieces(code, 120))
    assert len(parts) > 2
    assert all(part.count("```") % 2 == 0 for part in parts)
    assert all(part.startswith("```python") for part in parts)
    assert "".join(parts).count("print(1)") == 40


@given(TEXT, st.integers(min_value=20, max_value=300))
def test_a_quotation_fits(text, limit):
    assert len(quoted(text, limit)) <= limit


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_link_cannot_be_broken_out_of(url, label):
    shown = link(url, label)
    inside = shown[1:-1] if shown.startswith("<") and shown.endswith(">") else shown
    assert "<" not in inside
    assert ">" not in inside


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x/|y", "", "https://x y"])
def test_only_addresses_that_slack_opens_become_links(url):
    assert link(url, "label") == "label"
