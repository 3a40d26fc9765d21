"""Votes on two adapters: counted, tested by question, and told in words."""

from __future__ import annotations

from builder.report.votes import in_words, majority, tally
from lorekeeper.domain import Choice, Comparison, ComparisonState, Vote

ABOUT = Comparison(
    id=1, one="v3", other="v4", wanted=10, state=ComparisonState.CLOSED, asked_by="U1", at=1.0,
    channel="C1",
)  # fmt: skip


def votes(question: int, *choices: Choice) -> list[Vote]:
    return [
        Vote(compared_id=question, by=f"U{n}", choice=choice, at=1.0)
        for n, choice in enumerate(choices)
    ]


def test_many_votes_on_one_question_are_one_piece_of_evidence() -> None:
    counted = tally(votes(1, *[Choice.OTHER] * 40))
    assert counted.people == 40
    assert counted.p == 1.0
    assert counted.preferred is None


def test_the_same_choice_on_many_questions_is_more_than_chance() -> None:
    counted = tally([vote for n in range(10) for vote in votes(n, Choice.ONE, Choice.ONE)])
    assert counted.p == 2 / 2**10
    assert counted.preferred is Choice.ONE
    told = in_words(ABOUT, counted)
    assert told.startswith("v3 is preferred to v4: 20 votes for v3, 0 for v4")
    assert "by 2 people on 10 questions; p = 0.002" in told


def test_both_and_neither_are_counted_and_prefer_nobody() -> None:
    counted = tally([*votes(1, Choice.BOTH, Choice.NEITHER), *votes(2, Choice.BOTH)])
    assert counted.counts[Choice.BOTH] == 2
    told = in_words(ABOUT, counted)
    assert told.startswith("No preference that these votes can show: 0 votes for v3, 0 for v4, 2 for both, 1 for neither")  # fmt: skip


def test_no_votes_are_no_result() -> None:
    assert in_words(ABOUT, tally([])) == "Nobody voted, so nothing is known."


def test_the_majority_of_a_draw_is_nobody() -> None:
    cast = [
        *votes(1, Choice.ONE, Choice.OTHER), *votes(2, Choice.OTHER, Choice.OTHER, Choice.ONE),
        *votes(3, Choice.BOTH),
    ]  # fmt: skip
    assert majority(cast) == {2: Choice.OTHER}
