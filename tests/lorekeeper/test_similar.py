"""Pairs in, those that are alike out: nothing missed, nothing made up, in any language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorekeeper.similar import Likeness, Neighbours, SimilarTexts, jaccard, topic, words

SETS = st.frozensets(st.sampled_from("abcdefghij"), min_size=1)


@given(st.lists(SETS, max_size=30), SETS, st.sampled_from((0.5, 0.6, 0.8, 1.0)))
def test_exactly_the_sets_that_comparing_all_would_give_are_found(stored, asked, threshold):
    texts = SimilarTexts[int](threshold)
    for key, found in enumerate(stored):
        texts.put(key, found)
    wanted = {key for key, found in enumerate(stored) if jaccard(found, asked) >= threshold}
    assert {key for key, _ in texts.like(asked)} == wanted


@given(st.lists(st.tuples(st.integers(0, 5), SETS), max_size=20), SETS)
def test_what_was_dropped_or_replaced_is_not_found(changes, asked):
    texts, kept = SimilarTexts[int](0.5), dict[int, frozenset[str]]()
    for number, (key, found) in enumerate(changes):
        if number % 3 == 2:
            texts.drop(key)
            kept.pop(key, None)
        else:
            texts.put(key, found)
            kept[key] = found
    wanted = {key for key, found in kept.items() if jaccard(found, asked) >= 0.5}
    assert {key for key, _ in texts.like(asked)} == wanted


@given(st.text(), st.text())
def test_any_text_is_compared(one, other):
    near = Neighbours[int]()
    near.put(1, one, other)
    assert all(0 < found.similarity <= 1 for found in near.of(one, other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I rotate the signing keys?", "How are signing keys rotated?"),
        ("Where do the build logs go?", "where are build logs going"),
        ("如何轮换签名密钥？", "怎么轮换签名密钥？"),
        (
            "Wie erneuere ich das Zertifikat vom Gateway?",
            "Wie erneuert man das Gateway Zertifikat?",
        ),
    ],
)
def test_the_same_question_in_other_words_is_the_same(one, other):
    assert jaccard(topic(one), topic(other)) >= 0.5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I rotate the signing keys?", "How do I rotate the encryption certificates?"),
        ("How do I do it?", "Can you do that?"),
    ],
)
def test_another_question_is_another_one(one, other):
    near = Neighbours[int]()
    near.put(1, one, "Run `vault rotate`.")
    assert near.of(other, "Ask in the other channel.") == []


def test_the_same_answer_is_a_duplicate_and_another_one_a_conflict():
    near = Neighbours[int]()
    near.put(1, "How long are build logs kept?", "Thirty days, in the logs bucket.")
    question = "How long do we keep the build logs?"
    assert near.of(question, "Thirty days in the logs bucket!")[0].likeness is Likeness.DUPLICATE
    assert near.of(question, "Ninety since March.")[0].likeness is Likeness.CONFLICT


def test_a_copied_answer_is_a_duplicate_whatever_was_asked():
    near = Neighbours[int]()
    answer = "Open the console, choose the project, press rotate and wait for the mail."
    near.put(1, "How do I rotate keys?", answer)
    assert near.of("What about certificates?", answer)[0].likeness is Likeness.DUPLICATE


def test_what_differs_in_a_number_is_not_the_same():
    near = Neighbours[int]()
    near.put(1, "How do I restart service 7?", "Run `restart 7` on its host and wait for a minute.")
    near.put(2, "Does it run on Python 3.11?", "Yes.")
    told = "Run `restart 8` on its host and wait for a minute."
    assert near.of("How do I restart service 8?", told) == []
    assert near.of("Does it run on Python 3.12?", "No.") == []
    assert near.of("Does it run on Python 3.11 now?", "No.")[0].likeness is Likeness.CONFLICT


def test_scripts_without_spaces_are_compared_by_pairs_of_letters():
    assert words("重启网关") == {"重启", "启网", "网关"}
