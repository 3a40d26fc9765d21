"""So many are answered at once; the others wait in a fair order, know their place, and leave nothing behind."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.rig.pulled import pulled
from serving.queue import Queue, Ticket
from serving.refusals import QueueFull


def order(queue: Queue, waiting: dict[str, Ticket], busy: Ticket) -> list[str]:
    """The names in the order in which they are called up, when one after the other leaves."""
    called = []
    queue.leave(busy)
    while True:
        now = next((name for name, ticket in waiting.items() if ticket.called.is_set()), None)
        if now is None:
            return called
        called.append(now)
        queue.leave(waiting.pop(now))


def test_channels_take_turns_and_in_a_channel_its_people() -> None:
    queue = Queue(at_once=1, longest=100, per_person=100)
    busy = queue.join("C0", "U0")
    asked = ["C1/a", "C1/a2", "C1/a3", "C1/b", "C2/c", "C2/c2"]
    waiting = {name: queue.join(name[:2], name[3]) for name in asked}
    places = {name: queue.before(ticket) for name, ticket in waiting.items()}
    called = order(queue, waiting, busy)
    assert called == ["C1/a", "C2/c", "C1/b", "C2/c2", "C1/a2", "C1/a3"]
    assert [places[name] for name in called] == list(range(6))


def test_one_question_more_than_may_wait_is_refused_in_words() -> None:
    queue = Queue(at_once=1, longest=2, per_person=2)
    queue.join("C1", "U0")
    queue.join("C1", "U1")
    queue.join("C2", "U2")
    with pytest.raises(QueueFull, match="2 questions wait") as refused:
        queue.join("C3", "U3")
    assert refused.value.retry_after > 0
    assert queue.waiting == 2


def test_one_person_cannot_fill_the_queue() -> None:
    queue = Queue(at_once=1, longest=10, per_person=1)
    queue.join("C1", "U1")
    queue.join("C1", "U1")
    with pytest.raises(QueueFull, match="1 of your questions"):
        queue.check("C1", "U1")
    queue.check("C1", "U2")


def test_who_waits_is_told_the_place_as_it_changes() -> None:
    queue = Queue(at_once=1, longest=10, per_person=10)
    answered, first, second = (queue.join("C1", f"U{number}") for number in range(3))
    places = pulled(second.wait())
    assert next(places) == 1
    queue.leave(answered)
    assert next(places) == 0
    queue.leave(first)
    assert list(places) == []
    assert second.called.is_set()


def test_who_leaves_while_waiting_lets_the_others_move_up() -> None:
    queue = Queue(at_once=1, longest=10, per_person=10)
    queue.join("C1", "U0")
    with queue.join("C1", "U1") as ticket, closing(pulled(ticket.wait())) as places:
        last = queue.join("C1", "U2")
        assert next(places) == 0
    assert queue.before(last) == 0
    assert (queue.waiting, queue.answering) == (1, 1)


people = st.tuples(st.sampled_from("AB"), st.sampled_from("xyz"))
moves = st.lists(st.one_of(people, st.integers(0, 50)), max_size=60)


@given(at_once=st.integers(1, 3), longest=st.integers(0, 8), own=st.integers(1, 3), moves=moves)
def test_nobody_is_lost_and_no_bound_is_passed(
    at_once: int, longest: int, own: int, moves: list[tuple[str, str] | int]
) -> None:
    queue = Queue(at_once=at_once, longest=longest, per_person=own)
    inside: list[Ticket] = []
    for move in moves:
        if isinstance(move, int):
            if inside:
                queue.leave(inside.pop(move % len(inside)))
        else:
            try:
                inside.append(queue.join(*move))
            except QueueFull:
                assert queue.answering == at_once
        called = [ticket for ticket in inside if ticket.called.is_set()]
        waiting = [ticket for ticket in inside if not ticket.called.is_set()]
        assert (len(called), len(waiting)) == (queue.answering, queue.waiting)
        assert len(called) == min(at_once, len(inside))
        assert len(waiting) <= longest
        assert sorted(map(queue.before, waiting)) == list(range(len(waiting)))
    for ticket in inside:
        queue.leave(ticket)
    assert (queue.answering, queue.waiting) == (0, 0)
