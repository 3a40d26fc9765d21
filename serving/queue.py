"""Questions that come faster than they are answered in; each in its fair turn, with its place told while it waits, out.

So many are answered at once; the rest waits. Whoever is next is chosen in turn among the channels, and
within a channel in turn among its people, so that neither a busy channel nor a busy person holds up
the others (round robin, as in Nagle 1987, RFC 970). Both the whole queue and a person's part of it are
bounded: beyond that a question is refused at once, in words. All of it happens on the gateway's event
loop, so nothing is locked.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import suppress
from dataclasses import dataclass, field

from serving.refusals import QueueFull

LOOK = 0.5  # seconds between two looks whether a place has changed
REMIND = 10.0  # seconds after which a place is told again, so that no connection seems dead
SOON = 5.0  # seconds after which a refused question may be asked again


class Queue:
    """At most `at_once` questions are answered, and `longest` wait, `per_person` of them by one person."""

    def __init__(self, *, at_once: int, longest: int, per_person: int) -> None:
        self._at_once = at_once
        self._longest = longest
        self._per_person = per_person
        self._channels: dict[str, dict[str, deque[Ticket]]] = {}
        self._places: dict[Ticket, int] | None = None  # as they are; None: something has changed
        self._count = 0
        self.answering = 0

    @property
    def waiting(self) -> int:
        return self._count

    def check(self, channel: str, person: str) -> None:
        """Raises QueueFull when one more question of this person would not be taken now."""
        self._refuse_beyond(channel, person)

    def join(self, channel: str, person: str) -> Ticket:
        """Take a place. It is left at the end of the ticket's `with` block.

        Raises:
            QueueFull: too many wait, of everyone or of this person.
        """
        self._refuse_beyond(channel, person)
        ticket = Ticket(self, channel=channel, person=person)
        self._channels.setdefault(channel, {}).setdefault(person, deque()).append(ticket)
        self._count += 1
        self._places = None
        self._call_up()
        return ticket

    def before(self, ticket: Ticket) -> int:
        """How many are called up before this one, as things stand."""
        if self._places is None:
            self._places = {one: place for place, one in enumerate(self._order())}
        return self._places.get(ticket, 0)

    def leave(self, ticket: Ticket) -> None:
        if ticket.called.is_set():
            self.answering -= 1
        else:
            self._channels[ticket.channel][ticket.person].remove(ticket)
            self._count -= 1
            self._tidy(ticket)
        self._places = None
        self._call_up()

    def _refuse_beyond(self, channel: str, person: str) -> None:
        if self.answering < self._at_once:
            return
        own = len(self._channels.get(channel, {}).get(person, ()))
        if own >= self._per_person:
            raise QueueFull(
                f"{own} of your questions wait already.",
                fix="Ask again when one of them is answered.",
                retry_after=SOON,
            )
        if self._count >= self._longest:
            raise QueueFull(
                f"Too much is asked at the moment: {self._count} questions wait already.",
                fix="Ask again in a minute.",
                retry_after=SOON,
            )

    def _call_up(self) -> None:
        while self._count and self.answering < self._at_once:
            channel, people = next(iter(self._channels.items()))
            person, tickets = next(iter(people.items()))
            ticket = tickets.popleft()
            # Whoever was served goes to the end: the channel among channels, the person in it.
            people[person] = people.pop(person)
            self._channels[channel] = self._channels.pop(channel)
            self._count -= 1
            self._tidy(ticket)
            self.answering += 1
            ticket.called.set()

    def _tidy(self, ticket: Ticket) -> None:
        people = self._channels[ticket.channel]
        if not people[ticket.person]:
            del people[ticket.person]
        if not people:
            del self._channels[ticket.channel]

    def _order(self) -> Generator[Ticket, None, None]:
        """Everyone who waits, in the order in which they would be called up."""
        lines = deque(deque(map(deque, people.values())) for people in self._channels.values())
        while lines:
            people = lines.popleft()
            tickets = people.popleft()
            yield tickets.popleft()
            if tickets:
                people.append(tickets)
            if people:
                lines.append(people)


@dataclass(slots=True, eq=False)
class Ticket:
    """A place in the queue, and then at the counter."""

    queue: Queue
    channel: str = field(kw_only=True)
    person: str = field(kw_only=True)
    called: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def wait(self) -> AsyncGenerator[int, None]:
        """Until it is called up: how many are before it, when that changes."""
        told, told_at = -1, 0.0
        while not self.called.is_set():
            before = self.queue.before(self)
            if before != told or time.monotonic() - told_at > REMIND:
                told, told_at = before, time.monotonic()
                yield before
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self.called.wait()

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, *_: object) -> None:
        self.queue.leave(self)
