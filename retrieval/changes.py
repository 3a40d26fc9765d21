"""A database and the moment up to which an index knows it in; what changed since, and its passages anew, out.

What is cut anew follows what was said, not what exists: a message takes its thread and the talk
around it along, up to the next silence; a pair its words and where they were said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from lorekeeper.domain import PUBLIC, Message, PairState, Passage, PassageKind
from lorekeeper.settings import Settings
from lorekeeper.store import events, files, messages, pairs
from retrieval import sources
from retrieval.embed import Embedder
from retrieval.index import Index

# Seconds. A transaction is seen when it is committed and stamped when it writes; and clocks differ.
OVERLAP = 900.0
WHOLE_CHANNEL = 500  # changed messages from which a channel is cut anew as a whole

Place = tuple[str, str]  # channel and `ts`
Audience = frozenset[tuple[str, str]]  # channel and scope of each place that shows a file
Shared = dict[str, tuple[float, Audience]]  # a file's id: when it changed, and who sees it


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What changed in the database."""

    said: frozenset[Place] = frozenset()  # added, edited or deleted
    pairs: frozenset[int] = frozenset()
    files: frozenset[str] = frozenset()  # ids: added, changed, shared elsewhere or deleted
    channels: frozenset[str] = frozenset()  # emptied, or seen by others than before

    def __bool__(self) -> bool:
        return bool(self.said or self.pairs or self.files or self.channels)


@dataclass(slots=True)
class Changes:
    """Remembers what of the database an index holds."""

    at: float  # everything that was committed before this time
    _seen: dict[object, float] = field(default_factory=dict)
    _scopes: dict[str, str] | None = None
    _silent: set[str] = field(default_factory=set)
    _shared: Shared | None = None
    _next: tuple[dict[object, float], dict[str, str], set[str], Shared] | None = None

    def since(self, db: Connection, index: Index) -> Touched:
        """What changed since the last call that was `done`, or since `at`."""
        said = messages.changed_since(db, self.at - OVERLAP)
        deleted = messages.forgotten_since(db, self.at - OVERLAP)
        paired = pairs.changed_since(db, self.at - OVERLAP)
        now: dict[object, float] = {("said", *place): at for place, (at, _) in said.items()}
        now |= {("deleted", *place): at for place, at in deleted.items()} | dict(paired.items())
        new = {name for name, at in now.items() if self._seen.get(name) != at}
        places = [place for place in said if ("said", *place) in new]
        roots = [(channel, said[channel, ts][1]) for channel, ts in places]
        gone = [place for place in deleted if ("deleted", *place) in new]
        scopes = {channel.id: channel.scope for channel in messages.all_channels(db)}
        silent = messages.silent_channels(db)
        shared = _shared(db)
        self._next = now, scopes, silent, shared
        return Touched(
            said=frozenset([*places, *roots, *gone]),
            pairs=frozenset(number for number in paired if number in new),
            files=self._changed_files(index, shared),
            channels=self._moved(index, scopes, silent),
        )

    def done(self, at: float) -> None:
        """The index holds now what the last call of `since` told."""
        assert self._next is not None
        (self._seen, self._scopes, self._silent, self._shared), self.at = self._next, at

    def _changed_files(self, index: Index, shared: Shared) -> frozenset[str]:
        if self._shared is None:
            held = dict[str, set[tuple[str, str]]]()
            for passage in index.of_kind(PassageKind.FILE):
                said_in = passage.conversation.partition("/")[0]
                held.setdefault(_file(passage), set()).add((said_in, passage.scope))
            new = {name for name, (at, _) in shared.items() if at >= self.at - OVERLAP}
            moved = {n for n, seen in held.items() if n not in shared or seen != shared[n][1]}
            return frozenset(new | moved)
        names = shared.keys() | self._shared.keys()
        return frozenset(name for name in names if shared.get(name) != self._shared.get(name))

    def _moved(self, index: Index, scopes: dict[str, str], silent: set[str]) -> frozenset[str]:
        if self._scopes is None:
            moved = {name for name, scope in index.said_in() if _has_moved(name, scope, scopes)}
            moved |= silent & {name for name, _ in index.said_in()}
        else:
            moved = {
                name for name, scope in scopes.items() if self._scopes.get(name, scope) != scope
            }
            moved |= silent - self._silent
        return frozenset(moved)


def _shared(db: Connection) -> Shared:
    channels = {channel.id: channel for channel in messages.all_channels(db)}
    return {
        name: (at, frozenset((place.id, place.scope) for place in sources.places(found)))
        for name, (at, shared_in) in files.stamps(db).items()
        for found in [[channels[one] for one in shared_in if one in channels]]
    }


def _has_moved(channel: str, scope: str, scopes: dict[str, str]) -> bool:
    return channel in scopes and scope == PUBLIC != scopes[channel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What an index must add and leave out to follow the database."""

    added: tuple[Passage, ...] = ()
    removed: frozenset[str] = frozenset()  # ids

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    def __add__(self, other: Difference) -> Difference:
        return Difference(added=self.added + other.added, removed=self.removed | other.removed)


def difference(
    db: Connection, settings: Settings, embedder: Embedder, index: Index, touched: Touched
) -> Difference:
    """Cut anew what was touched, and compare it with what the index holds of it."""
    cutting = _Cutting(db, sources.cutter(settings, embedder), index)
    for channel in _whole(touched):
        cutting.channel(channel)
    for number in touched.pairs:
        cutting.pair(number)
    for name in touched.files:
        cutting.file(name)
    cutting.said(touched.said)
    new = {passage.id: passage for passage in cutting.passages()}
    return Difference(
        added=tuple(passage for passage in new.values() if not index.holds(passage.id)),
        removed=frozenset(cutting.before - new.keys()),
    )


class _Cutting:
    """Gathers what belongs together with what was touched, until nothing outside belongs to it."""

    def __init__(self, db: Connection, cut: sources.Cut, index: Index) -> None:
        self._db, self._cut, self._index = db, cut, index
        self._channels = {channel.id: channel for channel in messages.all_channels(db)}
        self._said = dict[Place, Message]()
        self._known = set[Place]()
        self._whole = set[str]()
        self._pairs = set[int]()
        self._files = set[str]()
        self.before = set[str]()  # ids of what the index holds of it

    def channel(self, channel: str) -> None:
        self._whole.add(channel)
        held = self._index.of_channel(channel)
        self.before |= {passage.id for passage in held}
        self._pairs |= {passage.pair_id for passage in held if passage.pair_id is not None}
        for passage in held:
            if passage.kind is PassageKind.FILE:
                self.file(_file(passage))
        found = messages.of_people(self._db, channel)
        self._take([*found, *messages.in_threads(self._db, channel, [m.ts for m in found])])

    def pair(self, number: int) -> None:
        self._pairs.add(number)
        held = self._index.made_from(f"pair:{number}")
        self.before |= {passage.id for passage in held}
        self.said(_place(name) for passage in held for name in passage.messages)
        for pair in pairs.of_ids(self._db, [number]):
            self.said(_place(name) for name in sources.names(pair))

    def file(self, name: str) -> None:
        if name not in self._files:
            self._files.add(name)
            self.before |= {passage.id for passage in self._index.made_from(f"file:{name}")}

    def said(self, places: Iterable[Place]) -> None:
        waiting = [place for place in places if place[1]]
        while waiting:
            place = waiting.pop()
            if place in self._known or place[0] in self._whole:
                continue
            waiting += self._together(place)

    def passages(self) -> Iterable[Passage]:
        yield from self._of_pairs()
        for name in sorted(self._files):
            if (file := files.get(self._db, name)) is not None:
                yield from sources.of_file(file, self._channels, self._cut)
        asked = events.questions(self._db)
        for channel in sorted({channel for channel, _ in self._said}):
            said = [message for message in self._said.values() if message.channel == channel]
            people = sorted((m for m in said if not m.is_bot), key=lambda message: message.ts)
            answered = {(m.channel, m.root) for m in said if m.is_bot and m.thread_ts} | asked
            approved = pairs.approved_with(self._db, channel, [message.ts for message in people])
            in_pairs = {name for pair in approved for name in sources.names(pair)}
            of = self._channels.get(channel)
            yield from sources.of_messages(people, answered, in_pairs, of, self._cut)

    def _of_pairs(self) -> Iterable[Passage]:
        for pair in pairs.of_ids(self._db, sorted(self._pairs)):
            if pair.state is PairState.APPROVED:
                scope = sources.scope_of(pair, self._channels)
                yield from sources.of_pair(pair, scope, self._cut)

    def _together(self, place: Place) -> list[Place]:
        """Take a message with its thread and the talk around it; what else was quoted with it before."""
        channel, ts = place
        near = messages.around(self._db, channel, ts, pause=sources.PAUSE)
        roots = list({ts, *(message.ts for message in near)})
        self._take([*near, *messages.in_threads(self._db, channel, roots)])
        # The talk around each of these is the same.
        self._known |= {place, *((message.channel, message.ts) for message in near)}
        names = [f"{channel}/{each}" for each in {ts, *roots}]
        names += [f"{m.channel}/{m.ts}" for m in self._said.values() if m.root in roots]
        held = [
            passage
            for name in dict.fromkeys(names)
            for passage in self._index.made_from(name)
            if passage.kind is PassageKind.THREAD
        ]
        self.before |= {passage.id for passage in held}
        return [
            _place(name)
            for passage in held
            for name in passage.messages
            if _place(name) not in self._known and _place(name) not in self._said
        ]

    def _take(self, found: Iterable[Message]) -> None:
        self._said |= {(message.channel, message.ts): message for message in found}


def _whole(touched: Touched) -> set[str]:
    """Channels of which so much has changed that all of it is cut anew."""
    count = dict[str, int]()
    for channel, _ in touched.said:
        count[channel] = count.get(channel, 0) + 1
    return {name for name, many in count.items() if many > WHOLE_CHANNEL} | set(touched.channels)


def _file(passage: Passage) -> str:
    return passage.conversation.partition("/")[2]


def _place(name: str) -> Place:
    channel, _, ts = name.partition("/")
    return channel, ts
