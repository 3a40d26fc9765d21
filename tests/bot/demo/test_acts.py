"""What the demo shows is what a member reads."""

from __future__ import annotations

from bot.demo.acts import Told
from bot.playground.member import Seen


def test_an_answer_is_shown_as_it_is_read() -> None:
    asked = Seen("C1", {"ts": "1.0", "text": "What is a &lt; b?"})
    told = Seen("C1", {"ts": "2.0", "text": "&gt;&gt;&gt; 1 &lt; 2 &amp; True"})
    assert Told(question=asked, reply=told).text == ">>> 1 < 2 & True"
