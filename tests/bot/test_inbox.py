"""Events in; each worked on, whatever happens to the process, out."""

from __future__ import annotations

import threading

from bot.inbox import Inbox
from lorekeeper.store import events, reading


def unfinished(engine):
    with reading(engine) as db:
        return events.unfinished(db)


def test_what_a_dead_process_left_is_worked_on(engine):
    dead = Inbox(engine, threads=1)
    dead.put("Ev1", {"text": "left"})
    with engine.begin() as db:
        events.claim(db, dead.worker)
        db.exec_driver_sql("UPDATE events SET claimed_at = 0")  # long ago
    seen = threading.Event()
    inbox = Inbox(engine, threads=1)
    inbox.start(lambda event: seen.set())
    assert seen.wait(60)
    inbox.stop()
    assert unfinished(engine) == 0


def test_stopping_finishes_what_was_begun(engine):
    begun, go_on = threading.Event(), threading.Event()
    finished = []

    def work(event):
        begun.set()
        assert go_on.wait(60)
        finished.append(event.id)

    inbox = Inbox(engine, threads=2)
    inbox.start(work)
    inbox.put("Ev1", {})
    assert begun.wait(60)
    stopping = threading.Thread(target=inbox.stop)
    stopping.start()
    go_on.set()
    stopping.join(60)
    assert finished == ["Ev1"]
    assert unfinished(engine) == 0


def test_work_that_fails_is_recorded_and_the_next_event_goes_on(engine):
    seen = threading.Event()

    def work(event):
        if event.id == "bad":
            raise ValueError("unforeseen")
        seen.set()

    inbox = Inbox(engine, threads=1)
    inbox.put("bad", {})
    inbox.put("good", {})
    inbox.start(work)
    assert seen.wait(60)
    inbox.stop()
    with engine.connect() as db:
        error = db.exec_driver_sql("SELECT error FROM events WHERE id = 'bad'").scalar()
    assert error == "ValueError('unforeseen')"


def test_one_lane_keeps_its_order_with_many_threads(engine):
    order, all_done = [], threading.Event()

    def work(event):
        order.append(event.id)
        if len(order) == 20:
            all_done.set()

    inbox = Inbox(engine, threads=8)
    for number in range(20):
        inbox.put(f"Ev{number:02}", {}, lane="C1")
    inbox.start(work)
    assert all_done.wait(60)
    inbox.stop()
    assert order == sorted(order)
