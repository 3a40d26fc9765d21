"""What people type becomes Slack's markup, and nothing of it gets lost or turns into markup."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.playground.markup import as_rich_text, as_typed, escaped, mentioned, unescaped

IDS = {"ann": "U1", "bo.li": "U2"}


def test_names_links_and_signs_are_turned_into_markup() -> None:
    typed = "@ann, is 1 < 2 & 3? See https://example.org/a?b=1. @nobody"
    assert as_typed(typed, IDS) == (
        "<@U1>, is 1 &lt; 2 &amp; 3? See <https://example.org/a?b=1>. @nobody"
    )


def test_a_name_keeps_the_punctuation_behind_it() -> None:
    assert as_typed("ask @bo.li.", IDS) == "ask <@U2>."


def test_markup_that_is_there_already_stays() -> None:
    text = "<@U1> <#C1|general> <https://example.org|site> <!here> &lt;b&gt;"
    assert as_typed(text, IDS) == escaped(text) == text


def test_a_mail_address_is_no_mention() -> None:
    assert mentioned(as_typed("write to me@ann", IDS)) == set()


@given(st.text())
def test_escaping_twice_changes_nothing(text: str) -> None:
    assert escaped(escaped(text)) == escaped(text)


@given(st.text(alphabet=st.characters(exclude_characters="&<>")))
def test_text_without_signs_is_kept(text: str) -> None:
    assert escaped(text) == text


@given(st.text(alphabet="ab <>&@U1|!#:/.httpsC\n"))
def test_no_stray_sign_survives_outside_of_tokens(text: str) -> None:
    import re

    rest = re.sub(r"<[^<>]*>", "", escaped(text))
    assert "<" not in rest
    assert ">" not in rest


@given(st.text(alphabet=st.characters(exclude_characters="&<>@", exclude_categories=["Cs"])))
def test_rich_text_says_the_same(text: str) -> None:
    elements = as_rich_text(escaped(text), "b")["elements"][0]["elements"]
    assert "".join(element.get("text", "") for element in elements) == unescaped(text)


def test_rich_text_knows_people_links_and_groups() -> None:
    block = as_rich_text("<@U1> <https://e.org|e> <!here> <!subteam^S1>", "b")
    kinds = [element["type"] for element in block["elements"][0]["elements"]]
    assert kinds == ["user", "text", "link", "text", "broadcast", "text", "usergroup"]
