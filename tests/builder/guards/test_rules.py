"""A rule says what a program can check; a shipped answer always keeps its own."""

from __future__ import annotations

import pytest

from builder.guards import forgetting
from builder.guards.rules import keeps
from builder.measures.declines import declines, refuses

ALL = [one for kind in forgetting.KINDS for one in forgetting.questions(kind, 1000)]


@pytest.mark.parametrize("one", [one for one in ALL if one.rule], ids=lambda one: one.question)
def test_a_shipped_answer_keeps_the_rule_of_its_question(one: forgetting.Question) -> None:
    assert keeps(one.answer, one.rule)


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("It is green", {"most_words": 1}),
        ('Here you are: {"name": "Ann", "age": 30}', {"json": ["name", "age"]}),
        ('{"name": "Ann"}', {"json": ["name", "age"]}),
        ("[1, 2]", {"json": ["name"]}),
        ("- apple\n- pear", {"items": 3}),
        ("Yes, it is.", {"one_of": ["yes", "no"]}),
        ("Good MORNING", {"uppercase": True}),
        ("1984", {"uppercase": True}),
        ("One. Two. Three.", {"sentences": 2}),
        ("They live in water.", {"excludes": ["water"]}),
        ("Of course. Certainly!", {"begins": "certainly"}),
        ("Done: one, two, three", {"ends": "done"}),
        ("Take a screwdriver and turn it.", {"declines": True}),
        ("I can't help with that.", {"declines": False}),
        ("", {"declines": False}),
        ("  ", {"excludes": ["water"]}),
    ],
)
def test_an_answer_that_does_not_keep_it_is_seen(answer: str, rule: dict[str, object]) -> None:
    assert not keeps(answer, rule)


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ('```json\n{"name": "Ann", "age": 30}\n```', {"json": ["age", "name"]}),
        ("Three fruits:\n1. apple\n2. pear\n3. plum", {"items": 3}),
        ("**Yes**.", {"one_of": ["yes", "no"]}),
    ],
)
def test_what_people_would_let_pass_passes(answer: str, rule: dict[str, object]) -> None:
    assert keeps(answer, rule)


def test_a_rule_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        keeps("yes", {"rhymes": True})


def test_refusing_and_not_knowing_are_told_apart() -> None:
    assert refuses("I’m sorry, but I can’t help with that.")
    assert not declines("I can't help with making explosives.")
    assert declines("The sources do not say who owns the service.")
    assert declines("I don't know. Ask in #infra.")
    assert not refuses("Write timeout = 7 into the settings.")
    assert not declines("Write timeout = 7 into the settings.")


def test_general_questions_are_many_and_asked_once() -> None:
    for kind in forgetting.KINDS:
        assert 24 <= len(forgetting.questions(kind, 1000)) <= 40
        assert len(forgetting.questions(kind, 5)) == 5
    assert len({one.question for one in ALL}) == len(ALL)
    declining = [one.rule["declines"] for one in forgetting.questions("refusal", 24)]
    assert 6 <= declining.count(False) <= 12
