"""A blind comparison in; its message, and a message for each question to vote on, out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bot.blocks.text import Block, actions, button, context, escaped, person, quoted, section
from lorekeeper.domain import Choice, Compared, Comparison, ComparisonState, Vote

FIRST, SECOND = "first", "second"
PLACES = {
    FIRST: "Answer 1",
    SECOND: "Answer 2",
    Choice.BOTH.value: "Both are good",
    Choice.NEITHER.value: "Neither",
}
STATES = {
    ComparisonState.PREPARING: ":hourglass_flowing_sand: preparing",
    ComparisonState.OPEN: ":ballot_box_with_ballot: open",
    ComparisonState.CLOSED: ":checkered_flag: closed",
    ComparisonState.CANCELLED: ":octagonal_sign: cancelled",
    ComparisonState.FAILED: ":x: failed",
}


def card(about: Comparison, questions: Sequence[Compared], result: str, people: int) -> list[Block]:
    """How it stands. Until it is closed, nothing shows whose answer is whose, nor the votes."""
    head = section(
        f"*{escaped(about.one, 20)} and {escaped(about.other, 20)}, compared blind* · {STATES[about.state]}"
        f"\nasked for by {person(about.asked_by)}"
    )
    match about.state:
        case ComparisonState.PREPARING:
            done = sum(one.is_ready for one in questions)
            told = f"Both answer the same questions: {done} of {about.wanted} are ready."
            return [head, section(told), actions(_cancel(about))]
        case ComparisonState.OPEN:
            return [head, *_voting(about, questions, people)]
        case ComparisonState.CLOSED:
            return [head, *_result(about, questions, result)]
        case ComparisonState.FAILED:
            return [head, section(f"*Why*: {escaped(about.error or 'unknown', 2000)}")]
        case _:
            by = person(about.closed_by) if about.closed_by else "somebody"
            return [head, section(f"Cancelled by {by}. Nothing was counted.")]


def question(about: Comparison, number: int, one: Compared, votes: Sequence[Vote]) -> list[Block]:
    """A question with both answers, in an order of its own; once closed, with names and votes."""
    first, second = one.shown
    asked = [
        section(f"*{number}.* {escaped(one.question, 1500)}"),
        section(f"*Answer 1*\n{quoted(first, 2800)}"),
        section(f"*Answer 2*\n{quoted(second, 2800)}"),
    ]
    if about.state is ComparisonState.CLOSED:
        return [*asked, context(_revealed(about, one, votes))]
    return [
        *asked,
        actions(
            *[
                button(label, f"vote_{place}", f"{one.id}:{place}")
                for place, label in PLACES.items()
            ]
        ),
    ]


def counted(place: str) -> str:
    """To the voter alone."""
    return (
        f":ballot_box_with_ballot: Counted: *{PLACES[place]}*."
        " Press another to change it, until the vote is closed."
    )


def _voting(about: Comparison, questions: Sequence[Compared], people: int) -> list[Block]:
    ready = sum(one.is_ready for one in questions)
    voted = "nobody" if not people else "1 person" if people == 1 else f"{people} people"
    return [
        section(
            f"Vote in the thread, on {_questions(ready)}: which answer would you rather get?"
            f"\n{voted} voted so far."
        ),
        context(
            "Who wrote which, and how the votes stand, is shown when it is closed. Each person counts"
            " once for each question."
        ),
        actions(
            button(
                "Close and count",
                "compare_close",
                str(about.id),
                style="primary",
                confirm="Nobody can vote after that, and everyone here sees the result.",
            ),
            _cancel(about),
        ),
    ]


def _result(about: Comparison, questions: Sequence[Compared], result: str) -> list[Block]:
    same = sum(one.is_same for one in questions)
    notes = [
        f"Closed by {person(about.closed_by)}. Everyone who reads this channel may see it.",
        f"{_questions(same)} got the same answer from both, and no vote." if same else "",
    ]
    judged = (about.judged or {}).get("told")
    return [
        section(f"*{escaped(result, 1500)}*"),
        *([section(f":robot_face: {escaped(str(judged), 1500)}")] if judged else []),
        context(*notes),
    ]


def _revealed(about: Comparison, one: Compared, votes: Sequence[Vote]) -> str:
    names = (about.other, about.one) if one.is_swapped else (about.one, about.other)
    count = Counter(vote.choice for vote in votes)
    return (
        f"Answer 1 was by *{escaped(names[0], 20)}*, answer 2 by *{escaped(names[1], 20)}*."
        f" {escaped(about.one, 20)}: {count[Choice.ONE]}, {escaped(about.other, 20)}:"
        f" {count[Choice.OTHER]}, both: {count[Choice.BOTH]}, neither: {count[Choice.NEITHER]}"
    )


def _cancel(about: Comparison) -> Block:
    return button(
        "Cancel",
        "compare_cancel",
        str(about.id),
        style="danger",
        confirm="Nothing is counted then.",
    )


def _questions(count: int) -> str:
    return "1 question" if count == 1 else f"{count} questions"
