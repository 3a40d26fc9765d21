"""Pairs in; two sides that nothing leaks between, at random or by time, out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.duplicates import groups
from builder.split import Split, check, split
from lorekeeper.domain import PUBLIC, Origin, Pair, PairState
from lorekeeper.errors import BadInput

WORDS = [
    "gateway",
    "vault",
    "index",
    "build",
    "logs",
    "rotate",
    "restart",
    "token",
    "quota",
    "host",
]


def pair(number, question="", answer="", conversation="", at=None):
    return Pair(
        id=number,
        question=question or f"question{number} about thing{number}",
        answer=answer or f"answer{number} with detail{number}",
        state=PairState.APPROVED,
        origin=Origin.REACTION,
        channel="C1",
        scope=PUBLIC,
        conversation=conversation or f"C1/{number}",
        source="",
        answer_ts=f"{1_700_000_000 + (number if at is None else at)}.000100",
    )


PAIRS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join),
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join),
        st.integers(0, 20),
    ),
    min_size=2,
    max_size=30,
).map(lambda made: [pair(n, q, a, f"C1/{c}") for n, (q, a, c) in enumerate(made)])


@given(PAIRS, st.sampled_from(["random", "time"]))
def test_no_conversation_and_no_near_duplicate_is_on_both_sides(found, by):
    try:
        made = split(found, share=0.3, known={}, by=by)
    except BadInput:
        return  # everything belongs together
    check(made)
    held = {one.id for one in made.heldout}
    assert {one.id for one in made.train} | held == {one.id for one in found}
    for part in groups(found):
        assert len({one.id in held for one in part}) == 1


@given(PAIRS, st.sampled_from(["random", "time"]))
def test_what_was_held_out_once_is_never_trained_on(found, by):
    try:
        first = split(found[: len(found) // 2], share=0.3, known={}, by=by)
        known = {one.conversation: "heldout" for one in first.heldout}
        second = split(found, share=0.3, known=known, by=by)
    except BadInput:
        return
    assert not {one.id for one in first.heldout} & {one.id for one in second.train}


def test_by_time_the_newest_conversations_are_held_out():
    found = [pair(number) for number in range(20)]
    made = split(found, share=0.25, known={}, by="time")
    assert {one.id for one in made.heldout} == {15, 16, 17, 18, 19}


def test_a_late_import_without_a_time_of_its_own_counts_by_when_it_was_saved():
    from dataclasses import replace

    from lorekeeper.domain import said_at

    imported = replace(pair(1), answer_ts="a" * 32, captured_at=5.0)
    assert said_at(imported) == 5.0


def test_a_leak_is_refused_and_named():
    words = "restart the gateway on its host and wait for the light"
    with pytest.raises(BadInput, match="says nearly the same"):
        check(Split(train=(pair(1, answer=words),), heldout=(pair(2, answer=words + " now"),)))


def test_a_side_without_pairs_is_refused():
    with pytest.raises(BadInput, match="1 pairs would be trained on and 0 held out"):
        check(Split(train=(pair(1),), heldout=()))
