"""Training and held-out rows and two models in; what comes out of the weights word for word, out.

Each question is asked alone, and the longest run of words that the greedy answer shares with the row's
own answer is counted. Held-out answers and the base are the control: what they share is common phrasing
(Carlini et al., "Quantifying Memorization Across Neural Language Models", 2023, count runs of 50 tokens;
a team's answers are shorter than that).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from builder.dataset import Row
from builder.guards.harm import Harm, harm
from builder.scoring import Alive, Judged, answer
from lorekeeper import prompt
from lorekeeper.domain import Evaluation, Memorised, Recited
from lorekeeper.redact import PLACEHOLDER, secrets
from lorekeeper.settings import Train
from lorekeeper.text import words

ANSWER_TOKENS = 64
RUN = 12  # words in a row that are no chance
FEWEST = 4  # words; a shorter answer is given back by whoever knows it
WARN = 0.1  # share of the training answers from which it is said


@dataclass(frozen=True, slots=True, kw_only=True)
class Recital:
    """What one model answers to the training questions and to the held-out ones."""

    trained: tuple[str, ...]
    heldout: tuple[str, ...]


def sample(rows: Sequence[Row], most: int) -> list[Row]:
    """At most so many rows, spread evenly over all."""
    if len(rows) <= most:
        return list(rows)
    return [rows[place * len(rows) // most] for place in range(most)]


def measure(
    judged: Judged,
    trained: Sequence[Row],
    heldout: Sequence[Row],
    alive: Alive = lambda done: None,
) -> Recital:
    asked = [prompt.messages(row.question) for row in (*trained, *heldout)]
    told = answer(judged, asked, most=ANSWER_TOKENS, alive=alive)
    return Recital(trained=tuple(told[: len(trained)]), heldout=tuple(told[len(trained) :]))


def compared(
    trained: Sequence[Row], heldout: Sequence[Row], before: Recital, after: Recital
) -> Memorised:
    told = list(zip(trained, after.trained, strict=True))
    recited = _recited(trained, before.trained, after.trained)
    verbatim = _verbatim(recited.words, recited.after)
    people = {
        who for (row, _), is_it in zip(told, verbatim, strict=True) if is_it for who in row.authors
    }
    return Memorised(
        trained=recited,
        heldout=_recited(heldout, before.heldout, after.heldout),
        people=tuple(sorted(people)),
        placeholders=sum(_shares_placeholder(said, row.answer) for row, said in told),
        secrets=sum(_shares_secret(said, row.answer) for row, said in told),
    )


def shares(evaluation: Evaluation) -> dict[str, float]:
    """The share of answers given back word for word: tuned and base, of training and of held-out rows."""
    found = evaluation.memorised or Memorised()
    sides = {
        "trained": (found.trained.words, found.trained.after),
        "trained, base": (found.trained.words, found.trained.before),
        "heldout": (found.heldout.words, found.heldout.after),
        "heldout, base": (found.heldout.words, found.heldout.before),
    }
    flags = {name: _verbatim(*side) for name, side in sides.items()}
    return {name: sum(one) / len(one) if one else 0.0 for name, one in flags.items()}


def harms(evaluation: Evaluation, rules: Train) -> list[Harm]:
    """Training answers that are given back word for word and were not by the base, beyond what is allowed."""
    found = evaluation.memorised
    if found is None or not found.trained.words or rules.max_memorised >= 1:
        return []
    return [
        harm(
            "training answers given back word for word",
            before=list(map(float, _verbatim(found.trained.words, found.trained.before))),
            after=list(map(float, _verbatim(found.trained.words, found.trained.after))),
            allowed=rules.max_memorised,
            unit="of the training answers",
            advice="train for fewer epochs, or with a smaller rank",
        )
    ]


def longest_run(told: str, reference: str) -> int:
    """Words of the longest run that both have, case and punctuation aside."""
    one, other = words(told), words(reference)
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.find_longest_match(0, len(one), 0, len(other)).size


def _recited(rows: Sequence[Row], before: Sequence[str], after: Sequence[str]) -> Recited:
    return Recited(
        words=tuple(float(len(words(row.answer))) for row in rows),
        before=_runs(rows, before),
        after=_runs(rows, after),
    )


def _runs(rows: Sequence[Row], told: Sequence[str]) -> tuple[float, ...]:
    return tuple(float(longest_run(said, row.answer)) for row, said in zip(rows, told, strict=True))


def _verbatim(lengths: Sequence[float], runs: Sequence[float]) -> list[bool]:
    """Word for word: a run that is no chance, or all of a shorter answer."""
    return [run >= min(RUN, max(length, FEWEST)) for length, run in zip(lengths, runs, strict=True)]


def _shares_placeholder(told: str, reference: str) -> bool:
    return not set(PLACEHOLDER.findall(told)).isdisjoint(PLACEHOLDER.findall(reference))


def _shares_secret(told: str, reference: str) -> bool:
    """A word that is taken out as a secret of both: it slipped through when the pair was stored."""
    return not _secret_words(told).isdisjoint(_secret_words(reference))


def _secret_words(text: str) -> set[str]:
    return set(text.split()) - set(secrets(text).split())
