"""A follow-up is searched with the question that it follows; a whole question is searched alone first."""

from __future__ import annotations

import pytest

from lorekeeper.prompt import Turn
from serving.followup import follows, search_texts

ROOT: Turn = {"role": "user", "content": "How do I install the VPN client?"}
TOLD: Turn = {"role": "assistant", "content": "Get it from the shop."}


@pytest.mark.parametrize(
    "question",
    ["and on Windows?", "What about Linux?", "How long does it take?", "why?", "Does that cost anything?",
     "on Windows?", "Und unter Linux?"],
)  # fmt: skip
def test_what_points_back_is_joined_with_what_it_follows(question: str) -> None:
    assert follows(question)
    first = search_texts(question, [ROOT, TOLD])[0]
    assert first == f"How do I install the VPN client? {question}"


def test_a_whole_question_stands_alone_and_is_joined_only_when_nothing_is_found() -> None:
    question = "Where are travel expenses filed?"
    assert search_texts(question, [ROOT, TOLD]) == (question, f"{ROOT['content']} {question}")


def test_a_chain_of_follow_ups_reaches_back_to_the_question_that_began_it() -> None:
    turns = [ROOT, TOLD, Turn(role="user", content="and on Windows?"), TOLD]
    joined = search_texts("is it free there?", turns)[0]
    assert joined == "How do I install the VPN client? and on Windows? is it free there?"


def test_without_a_thread_there_is_nothing_to_join() -> None:
    assert search_texts("and on Windows?", []) == ("and on Windows?",)
    assert search_texts("and on Windows?", [TOLD]) == ("and on Windows?",)
