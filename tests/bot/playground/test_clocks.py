"""Alarms ring in order, from one thread, and not after the end."""

from __future__ import annotations

import threading

from bot.playground.clocks import Alarms


def test_alarms_ring_in_the_order_of_their_time() -> None:
    alarms, rung, done = Alarms(), [], threading.Event()

    def second() -> None:
        rung.append("second")
        done.set()

    alarms.after(0.02, second)
    alarms.after(0.0, lambda: rung.append("first"))
    assert done.wait(60)
    alarms.close()
    assert rung == ["first", "second"]


def test_after_closing_nothing_rings() -> None:
    alarms, rung = Alarms(), []
    alarms.after(60, lambda: rung.append("late"))
    alarms.close()
    alarms.after(0, lambda: rung.append("later"))
    assert rung == []
