"""Text is cut and converted without losing any of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorekeeper.text import (
    mrkdwn_to_markdown,
    sentences,
    shorten,
    slack_to_markdown,
    token_f1,
)


@given(st.text())
def test_sentences_join_to_the_text(text: str) -> None:
    assert "".join(sentences(text)) == text


def test_a_code_block_is_one_piece() -> None:
    block = "```\na. b. c\n\nd. e\n```"
    assert block in sentences(f"Do this. {block}\nThen that.")


@given(st.text(), st.integers(min_value=1, max_value=80))
def test_shortened_text_fits(text: str, length: int) -> None:
    assert len(shorten(text, length)) <= length


@pytest.mark.parametrize(
    ("told", "wanted", "score"),
    [
        ("the cat sat", "a cat sat down", 0.8),  # 2 common of 2 and 3 words
        ("same words", "Same words!", 1.0),
        ("nothing alike", "other things", 0.0),
        ("", "", 1.0),
        ("", "something", 0.0),
    ],
)
def test_token_f1_is_squads(told: str, wanted: str, score: float) -> None:
    assert token_f1(told, wanted) == pytest.approx(score)


@pytest.mark.parametrize(
    ("slack", "markdown"),
    [
        ("*bold* and ~gone~", "**bold** and ~~gone~~"),
        ("<https://x.y/z|label> <https://x.y>", "[label](https://x.y/z) https://x.y"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("`*not bold* <https://x.y>`", "`*not bold* https://x.y`"),
        ("<@U1|ann> in <#C1|general> <!here>", "<@U1> in #general @here"),
        ("2*3*4", "2*3*4"),
    ],
)
def test_slacks_markup_becomes_markdown(slack: str, markdown: str) -> None:
    assert mrkdwn_to_markdown(slack) == markdown


def test_rich_text_wins_over_the_plain_text() -> None:
    section = {
        "type": "rich_text_section",
        "elements": [
            {"type": "text", "text": "use "},
            {"type": "text", "text": "del x ", "style": {"code": True}},
            {"type": "link", "url": "https://x.y", "text": "docs"},
        ],
    }
    code = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "a < b"}]}
    message = {"text": "?", "blocks": [{"type": "rich_text", "elements": [section, code]}]}
    assert slack_to_markdown(message) == "use `del x` [docs](https://x.y)\n```\na < b\n```"


@given(st.text())
def test_any_text_can_be_converted(text: str) -> None:
    assert isinstance(slack_to_markdown({"text": text}), str)
