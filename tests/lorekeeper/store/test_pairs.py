"""Pairs in the store: added once, found by their messages, moved by who was first, erased with their words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lorekeeper.domain import PUBLIC, Origin, Pair, PairState
from lorekeeper.errors import NotFound, StaleDecision
from lorekeeper.store import pairs, reading

PAIR = Pair(
    id=0,
    question="How?",
    answer="So.",
    state=PairState.CANDIDATE,
    origin=Origin.REACTION,
    channel="C1",
    scope=PUBLIC,
    conversation="C1/1.0",
    source="",
    answer_ts="2.0",
    question_ts="1.0",
    authors=("U1", "U2"),
    captured_by="U3",
)


def add(engine, **changes):
    with engine.begin() as db:
        return pairs.add(db, replace(PAIR, **changes))


def test_a_pair_remembers_the_messages_that_it_is_made_of(engine):
    made = add(engine, answer_parts=("2.0", "3.0"))
    assert (made.question_parts, made.answer_parts) == (("1.0",), ("2.0", "3.0"))
    with reading(engine) as db:
        for ts in ("1.0", "2.0", "3.0"):
            assert [pair.id for pair in pairs.about(db, channel="C1", ts=ts)] == [made.id]
        assert pairs.about(db, channel="C2", ts="2.0") == []


def test_the_same_answer_is_added_once_until_it_was_withdrawn(engine):
    made = add(engine)
    with pytest.raises(StaleDecision, match="already saved as pair 1"):
        add(engine)
    with engine.begin() as db:
        pairs.move(db, made, PairState.RETIRED, by="U3")
    assert add(engine).id == 2


def test_an_import_adds_what_was_never_there_in_any_state(engine):
    made = add(engine)
    found = [PAIR, replace(PAIR, answer_ts="5.0"), replace(PAIR, answer_ts="5.0", answer="Twice.")]
    with engine.begin() as db:
        pairs.move(db, made, PairState.RETIRED, by="U3")
        added = pairs.add_new(db, found)
        assert [pair.answer_ts for pair in added] == ["5.0"]
        assert pairs.add_new(db, found) == []
        assert pairs.add_new(db, []) == []
        assert [entry["what"] for entry in pairs.history(db, added[0].id)] == ["captured"]


def test_a_thousand_are_added_at_once(engine):
    with engine.begin() as db:
        made = [replace(PAIR, answer_ts=f"{n}.5") for n in range(1200)]
        assert len(pairs.add_new(db, made)) == 1200
        assert pairs.add_new(db, made) == []


def test_erasing_leaves_no_words_and_says_why(engine):
    made = add(engine, rejected_answer="Wrong.", tags=("t",))
    with engine.begin() as db:
        edited = pairs.edit(db, made, by="U9", answer="Better.")
        gone = pairs.erase(db, edited, by="U1", reason="asked to")
        assert (gone.question, gone.answer, gone.rejected_answer, gone.tags) == ("", "", None, ())
        assert (gone.state, gone.reason) == (PairState.RETIRED, "asked to")
        assert "So." not in str(pairs.history(db, made.id))
        assert gone.authors == ()
        assert pairs.erase(db, gone, by="U1", reason="again").reason == "asked to"
    with pytest.raises(StaleDecision), engine.begin() as db:
        pairs.erase(db, edited, by="U1", reason="too late")


def test_pairs_of_an_author_are_found_whole_and_not_by_a_part_of_an_id(engine):
    add(engine, authors=("U12", "U2"))
    with reading(engine) as db:
        assert len(pairs.written_by(db, "U12")) == 1
        assert pairs.written_by(db, "U1") == []
        assert pairs.written_by(db, "U%") == []


def test_what_a_person_worded_is_known(engine):
    with engine.begin() as db:
        own = pairs.add(db, PAIR, worded=True)
        other = pairs.add(db, replace(PAIR, answer_ts="9.0"))
        assert pairs.was_worded(db, own.id, but_by="slack")
        assert not pairs.was_worded(db, other.id, but_by="slack")
        pairs.edit(db, other, by="slack", answer="Anew.")
        assert not pairs.was_worded(db, other.id, but_by="slack")
        pairs.edit(db, pairs.get(db, other.id), by="U9", answer="Mine.")
        assert pairs.was_worded(db, other.id, but_by="slack")


def test_counts_are_by_state_channel_and_origin(engine):
    add(engine, tags=("a", "b"))
    add(engine, answer_ts="5.0", channel="C2", origin=Origin.MINED, tags=("a",))
    with reading(engine) as db:
        assert {(one.channel, one.origin, one.count) for one in pairs.standing(db)} == {
            ("C1", Origin.REACTION, 1),
            ("C2", Origin.MINED, 1),
        }
        assert pairs.tags(db) == {"a": 2, "b": 1}


def test_an_unknown_pair_is_not_found(engine):
    with pytest.raises(NotFound), reading(engine) as db:
        pairs.get(db, 9)
