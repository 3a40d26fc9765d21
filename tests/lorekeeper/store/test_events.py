"""Events in; each claimed once, in the order of its lane, and given back when its worker dies, out."""

from __future__ import annotations

import time_machine

from lorekeeper.store import events, reading


def put(engine, event_id, lane=None, **payload):
    with engine.begin() as db:
        return events.put(db, event_id, payload, lane=lane)


def claim(engine, worker="w1"):
    with engine.begin() as db:
        found = events.claim(db, worker)
    return found.id if found is not None else None


def done(engine, event_id):
    with engine.begin() as db:
        events.done(db, event_id)


def test_an_event_that_is_sent_again_is_not_stored_again(engine):
    assert put(engine, "Ev1", text="hello")
    assert not put(engine, "Ev1", text="hello")
    assert claim(engine) == "Ev1"
    done(engine, "Ev1")
    assert not put(engine, "Ev1", text="hello")
    assert claim(engine) is None


def test_an_event_is_claimed_by_one_worker(engine):
    put(engine, "Ev1")
    assert claim(engine, "w1") == "Ev1"
    assert claim(engine, "w2") is None


def test_events_of_one_lane_wait_for_each_other_and_others_do_not(engine):
    for event_id, lane in (("a1", "C1"), ("a2", "C1"), ("b1", "C2"), ("x", None), ("y", None)):
        put(engine, event_id, lane)
    assert [claim(engine) for _ in range(5)] == ["a1", "b1", "x", "y", None]
    done(engine, "a1")
    assert claim(engine) == "a2"


def test_what_was_said_is_not_kept_once_it_is_done(engine):
    put(engine, "Ev1", text="a secret")
    put(engine, "Ev2", text="another secret")
    claim(engine)
    claim(engine)
    with engine.begin() as db:
        events.done(db, "Ev1")
        events.failed(db, "Ev2", "error 1234")
    with engine.connect() as db:
        rows = db.exec_driver_sql("SELECT payload, error FROM events ORDER BY id").all()
    assert [tuple(row) for row in rows] == [("{}", None), ("{}", "error 1234")]


def test_a_dead_workers_events_are_given_back_and_a_living_ones_are_not(engine):
    with time_machine.travel(1000.0, tick=False) as clock:
        put(engine, "a-dead")
        put(engine, "b-alive")
        assert claim(engine, "w1") == "a-dead"
        assert claim(engine, "w2") == "b-alive"
        clock.shift(40)
        with engine.begin() as db:
            events.beat(db, "w2")
            assert events.reap(db, 30) == 1
        assert claim(engine, "w2") == "a-dead"


def test_an_event_that_kills_its_workers_is_given_up(engine):
    with time_machine.travel(1000.0, tick=False) as clock:
        put(engine, "Ev1", text="kills")
        for _ in range(events.MAX_ATTEMPTS):
            assert claim(engine) == "Ev1"
            clock.shift(40)
            with engine.begin() as db:
                events.reap(db, 30)
        assert claim(engine) is None
        with reading(engine) as db:
            assert events.unfinished(db) == 0


def test_an_event_is_changed_or_taken_back_until_work_begins(engine):
    put(engine, "Ev1", text="old")
    put(engine, "Ev2", text="old")
    with engine.begin() as db:
        assert events.amend(db, "Ev1", {"text": "new"})
        assert events.amend(db, "Ev2", None)
        taken = events.claim(db, "w1")
        assert taken.payload == {"text": "new"}
        assert not events.amend(db, "Ev1", {"text": "too late"})
        assert events.claim(db, "w1") is None


def test_whoever_has_claimed_an_event_sees_what_became_of_it(engine):
    put(engine, "ask:C1:1.0:again", text="old")
    put(engine, "ask:C1:1.01", text="another")
    with engine.begin() as db:
        assert events.claim(db, "w1").id == "ask:C1:1.0:again"
        assert events.amend(db, "ask:C1:1.0", {"text": "new"}, state="claimed")
        assert events.asked(db, "ask:C1:1.0") == {"text": "new"}
        assert events.amend(db, "ask:C1:1.0", None, state="claimed")
        assert events.asked(db, "ask:C1:1.0") == {}
        assert events.asked(db, "ask:C1:1.01") is None
        assert events.claim(db, "w1").payload["text"] == "another"


def test_questions_that_are_open_are_known_by_their_message(engine):
    put(engine, events.question_id("C1", "1.0"))
    put(engine, events.question_id("C1", "2.0") + ":again")
    put(engine, events.question_id("C2", "3.0"))
    put(engine, "Ev1")
    claim(engine)
    with engine.begin() as db:
        assert events.questions(db) == {("C1", "1.0"), ("C1", "2.0"), ("C2", "3.0")}
        events.done(db, events.question_id("C1", "1.0"))
        assert events.questions(db) == {("C1", "2.0"), ("C2", "3.0")}


def test_finished_events_are_forgotten_after_a_week(engine):
    with time_machine.travel(1000.0, tick=False) as clock:
        put(engine, "Ev1")
        put(engine, "Ev2")
        claim(engine)
        done(engine, "Ev1")
        clock.shift(events.KEPT + 1)
        with engine.begin() as db:
            events.forget_old(db)
        assert put(engine, "Ev1")
        assert not put(engine, "Ev2")
