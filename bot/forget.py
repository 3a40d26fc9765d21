"""A person's wish not to be kept in; what was kept of theirs gone everywhere, or never stored again, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot import mirror
from bot.access import Right
from bot.desk import Desk
from lorekeeper.domain import Pair
from lorekeeper.errors import BadInput, NotAllowed
from lorekeeper.links import file_of, place_of
from lorekeeper.store import (
    adapters,
    answers,
    comparisons,
    datasets,
    files,
    messages,
    pairs,
    people,
    reading,
)

ME = "@me"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What is gone from the store and from the next index, and where it was trained on before."""

    messages: int
    pairs: int
    files: int
    versions: tuple[str, ...]  # dataset versions that hold one of the pairs; they never change
    adapters: tuple[str, ...]  # adapters that were trained on one of those


def forget(desk: Desk, what: str, *, by: str) -> Forgotten:
    """Forget a message or a file (its link), or everything that this person wrote and shared (`@me`).

    Raises:
        BadInput: it is neither a link to one of those nor `@me`, or nothing is kept of it.
        NotAllowed: it is somebody else's, and the person is no reviewer of its channel.
    """
    if _means_me(what, by):
        return _everything_of(desk, by)
    file_id = file_of(what)
    return _file(desk, file_id, by) if file_id else _message(desk, what, by)


def opt_out(desk: Desk, *, by: str) -> bool:
    """Nothing that this person writes is stored from now on; whether that is new."""
    with desk.engine.begin() as db:
        return people.opt_out(db, by)


def opt_in(desk: Desk, *, by: str) -> bool:
    """What this person writes may be stored again; whether they had opted out."""
    with desk.engine.begin() as db:
        return people.opt_in(db, by)


def _means_me(what: str, by: str) -> bool:
    return what.strip().lower() in {ME, "me"} or what.strip().startswith(f"<@{by}")


def _message(desk: Desk, link: str, by: str) -> Forgotten:
    channel, ts = place_of(link)
    with reading(desk.engine) as db:
        message, made = messages.get(db, channel, ts), pairs.made_of(db, channel=channel, ts=ts)
    authors = {message.author} if message is not None else {a for p in made for a in p.authors}
    if message is None and not any(pair.answer for pair in made):
        raise BadInput("Nothing is kept of that message.", fix="Check the link.")
    where = mirror.describe_or_unknown(desk, channel)
    reviews = desk.access.may(by, Right.REVIEW, channel) and desk.access.may_see(by, where.scope)
    if by not in authors and not reviews:
        raise NotAllowed(
            "That message is somebody else's.", fix="Its author or a reviewer can forget it."
        )
    gone = mirror.erase(desk, [(channel, ts)], by=by, why="was forgotten on request")
    return _told(desk, gone, count=1 if message is not None else 0)


def _file(desk: Desk, file_id: str, by: str) -> Forgotten:
    with reading(desk.engine) as db:
        file = files.get(db, file_id)
    if file is None:
        raise BadInput("Nothing is kept of that file.", fix="Check the link.")
    reviews = any(
        desk.access.may(by, Right.REVIEW, channel)
        and desk.access.may_see(by, mirror.describe_or_unknown(desk, channel).scope)
        for channel in file.channels
    )
    if by != file.author and not reviews:
        raise NotAllowed(
            "That file is somebody else's.", fix="Who shared it, or a reviewer, can forget it."
        )
    with desk.engine.begin() as db:
        files.forget(db, file_id)
    return _told(desk, [], count=0, shared=1)


def _everything_of(desk: Desk, user: str) -> Forgotten:
    with reading(desk.engine) as db:
        places = messages.written_by(db, user)
        shared = files.written_by(db, user)
    gone = mirror.erase(desk, places, by=user, why="was forgotten on request")
    with desk.engine.begin() as db:
        gone += [
            pairs.erase(db, pair, by=user, reason="its author asked to be forgotten")
            for pair in pairs.written_by(db, user)
        ]
        answers.forget_asker(db, user)
        comparisons.forget_voter(db, user)
        for file_id in shared:
            files.forget(db, file_id)
    return _told(desk, gone, count=len(places), shared=len(shared))


def _told(desk: Desk, gone: Sequence[Pair], *, count: int, shared: int = 0) -> Forgotten:
    with reading(desk.engine) as db:
        versions = datasets.holding(db, [pair.id for pair in gone])
        trained = [a.name for a in adapters.all(db) if a.dataset_id in {v.id for v in versions}]
    return Forgotten(
        messages=count,
        pairs=len(gone),
        files=shared,
        versions=tuple(version.name for version in versions),
        adapters=tuple(trained),
    )
