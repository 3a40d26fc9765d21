"""People's votes on two adapters' answers in; how many each got, and whether that is more than chance, out. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lorekeeper.domain import Choice, Comparison, Vote
from lorekeeper.paired import Difference, paired

SIGNIFICANCE = 0.05
WORTH = {Choice.ONE: -1.0, Choice.OTHER: 1.0, Choice.BOTH: 0.0, Choice.NEITHER: 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Votes by choice, and the mean of their worth: above zero, the other one was preferred."""

    counts: dict[Choice, int]
    people: int
    questions: int  # that somebody voted on
    found: Difference | None  # None without a vote

    @property
    def p(self) -> float:
        """Two-sided: if it were chance, question by question, whose answer was whose."""
        return (
            1.0
            if self.found is None
            else min(1.0, 2 * min(self.found.p_lower, self.found.p_higher))
        )

    @property
    def preferred(self) -> Choice | None:
        """Which of the two, where that is more than chance."""
        if self.found is None or self.p >= SIGNIFICANCE:
            return None
        return Choice.OTHER if self.found.mean > 0 else Choice.ONE


def tally(votes: Sequence[Vote]) -> Tally:
    """Count them. Votes on one question are no independent evidence: the test flips whole questions."""
    counts = Counter(vote.choice for vote in votes)
    return Tally(
        counts={choice: counts[choice] for choice in Choice},
        people=len({vote.by for vote in votes}),
        questions=len({vote.compared_id for vote in votes}),
        found=paired(
            [WORTH[vote.choice] for vote in votes],
            [0.0] * len(votes),
            [str(vote.compared_id) for vote in votes],
        )
        if votes
        else None,
    )


def majority(votes: Sequence[Vote]) -> dict[int, Choice]:
    """What most people chose on each question; a draw between the two is nobody's."""
    worth: dict[int, float] = {}
    for vote in votes:
        worth[vote.compared_id] = worth.get(vote.compared_id, 0.0) + WORTH[vote.choice]
    return {
        number: Choice.OTHER if sum_ > 0 else Choice.ONE for number, sum_ in worth.items() if sum_
    }


def in_words(about: Comparison, counted: Tally) -> str:
    """The result, for people."""
    if counted.found is None:
        return "Nobody voted, so nothing is known."
    names = {Choice.ONE: about.one, Choice.OTHER: about.other}
    numbers = (
        f"{_votes(counted.counts[Choice.ONE])} for {about.one}, "
        f"{counted.counts[Choice.OTHER]} for {about.other}, {counted.counts[Choice.BOTH]} for both, "
        f"{counted.counts[Choice.NEITHER]} for neither, by {_people(counted.people)} "
        f"on {counted.questions} questions"
    )
    sure = f"p = {counted.p:.3f}, by flipping whole questions"
    if counted.preferred is None:
        return f"No preference that these votes can show: {numbers}; {sure}."
    loser = about.one if counted.preferred is Choice.OTHER else about.other
    return f"{names[counted.preferred]} is preferred to {loser}: {numbers}; {sure}."


def _votes(count: int) -> str:
    return "1 vote" if count == 1 else f"{count} votes"


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"
