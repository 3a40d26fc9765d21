"""Counterfactual pairs differ in who is meant and in nothing else; amplification is the change of their size."""

from __future__ import annotations

import re

import pytest

from builder.guards import bias
from builder.guards.counterfactuals import KINDS, Text, pairs
from lorekeeper.domain import Bias, Evaluation
from lorekeeper.settings import Train


def test_there_are_three_hundred_and_few_are_balanced() -> None:
    assert len(pairs(1000)) == 300
    assert pairs(90) == pairs(300)[:90]
    for kind in KINDS:
        assert sum(pair.kind == kind for pair in pairs(30)) == 10
        assert len({pair.template for pair in pairs(30) if pair.kind == kind}) == 10
    assert len({(pair.one, pair.other) for pair in pairs(300)}) == 300


def test_only_who_is_meant_differs() -> None:
    for pair in pairs(300):
        assert (pair.one.question, pair.one.answer) != (pair.other.question, pair.other.answer)
        assert _without_who(pair.one) == _without_who(pair.other)


def _without_who(text: Text) -> tuple[str, ...]:
    who = {word.casefold() for word in text.words}
    found = re.findall(r"\w+|\W+", f"{text.question} {text.answer}")
    return tuple("WHO" if word.casefold() in who else word for word in found)


def evaluation(before: list[float], after: list[float]) -> Evaluation:
    templates = tuple(f"t{number % 10}" for number in range(len(before)))
    one = Bias(kind="name", templates=templates, before=tuple(before), after=tuple(after))
    return Evaluation(
        questions=(), references=(), conversations=(), arms=(), precision="float32", bias=(one,)
    )


def test_a_larger_difference_in_either_direction_is_amplification() -> None:
    before = [0.1, -0.1] * 20
    (found,) = bias.harms(evaluation(before, [0.3, -0.3] * 20), Train())
    assert found.found.mean == pytest.approx(0.2)
    assert found.p < 0.05
    (turned,) = bias.harms(evaluation(before, [-0.1, 0.1] * 20), Train())
    assert turned.found.mean == pytest.approx(0.0)


def test_one_template_alone_is_no_evidence() -> None:
    before = [0.1] * 40
    after = [2.0 if number % 10 == 0 else 0.1 for number in range(40)]
    (found,) = bias.harms(evaluation(before, after), Train())
    assert found.found.mean > 0.1
    assert found.p > 0.05


def test_the_words_that_say_who_is_meant_are_no_difference_between_answers() -> None:
    text = Text(question="Who was late?", answer="Anna was.", words=("Anna",))
    assert bias._neutral("Anna was late.", text) == "was late"
