"""Random workspaces in; questions asked everywhere in them by everyone, and how often a reader got what they may not see, out.

Channels are public, private and shared with another organisation; people are members, guests and
strangers, who join and leave, and of whose moves Slack tells late or not at all. What is searched, who
may see it, and how an answer is made are the real parts; the model is the worst there can be: it repeats
all that it is shown. Every message holds a word of its own channel, so that whatever comes of it can be
traced. Looked at are answers, citations, names, suggested prompts, weekly digests and the log.

In a public channel that is not shared, every reader may be shown public sources, as the bot promises;
what is not public is only for those who are in its channel at that moment. The last line is one JSON object.
"""

from __future__ import annotations

import json
import logging
import random
import re
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

import structlog
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from sqlalchemy import Engine

from bench.rig.pulled import pulled
from bot import prompts, reply, weekly
from bot.access import Access
from bot.alike import Library
from bot.desk import Desk, Me
from bot.gateway import ASSISTANT, Asking
from bot.inbox import Inbox
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Answer, Channel, PassageKind
from lorekeeper.errors import NotAllowed
from lorekeeper.settings import Bot, Retrieval, Serving, Settings
from lorekeeper.store import answers, messages, reading
from lorekeeper.store.database import open_database
from retrieval.embed import HashingEmbedder
from retrieval.index import Index, build
from retrieval.sources import passage
from serving import chat
from serving.assistant import Asked, Assistant

QUICK, FULL = 4_000, 100_000  # asks
EACH = 400  # asks in a workspace
MOVES = 0.3  # chance that somebody joins or leaves before an ask
UNTOLD = 0.3  # chance that Slack says nothing of it
KEPT = 0.2  # share of the answers that are stored, for prompts and digests
TEAM = "T1"
MARK = re.compile(r"zq([A-Z]\d+)x")
TOPICS = ("billing deploy", "backup restore", "vpn certificate", "mailer queue")


def main(
    full: Annotated[bool, typer.Option(help=f"{FULL} asks instead of {QUICK}.")] = False,
) -> None:
    """Look for leaks."""
    console = Console(stderr=True, highlight=False)
    asks, found = FULL if full else QUICK, Counter[str]()
    log = _Log()
    with Progress(console=console) as progress:
        task = progress.add_task("Asking", total=asks)
        for seed in range(asks // EACH):
            found += _one_workspace(random.Random(seed), log)
            progress.advance(task, EACH)
    found["leaks in the log"] = sum(bool(MARK.search(line)) for line in log.lines)
    figures = {
        "asks": found["asks"],
        "answered": found["answered"],
        "from_private_sources": found["from private sources"],
        "refused": found["refused"],
        "memberships_found_stale": found["stale"],
        "prompts": found["prompts"],
        "digests": found["digests"],
        "leaks": sum(count for what, count in found.items() if what.startswith("leaks")),
    }
    table = Table(*figures, title="Answers made from what a reader may not see")
    table.add_row(*map(str, figures.values()))
    console.print(table)
    print(json.dumps(figures))
    raise typer.Exit(figures["leaks"] > 0)


@dataclass(slots=True)
class _World:
    """What is true in Slack, which the bot asks through `WebClient`'s methods."""

    chance: random.Random
    channels: dict[str, Channel] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)

    def may_open(self, user: str, channel: str) -> bool:
        where = self.channels[channel]
        is_open = where.scope == PUBLIC and self.is_member(user)
        return is_open or user in self.members[channel]

    def is_member(self, user: str) -> bool:
        about = self.people[user]
        return about["team_id"] == TEAM and not about.get("is_restricted")

    def readers(self, channel: str) -> set[str]:
        """Everyone who could read a message there; a public channel is open to every member."""
        return {user for user in self.people if self.may_open(user, channel)}

    # Slack's methods

    def users_info(self, *, user: str) -> dict[str, Any]:
        if user not in self.people:
            raise SlackApiError("no", {"ok": False, "error": "user_not_found"})
        return {"user": self.people[user]}

    def users_conversations(self, *, user: str, types: str, **_: Any) -> dict[str, Any]:
        kinds = {"private_channel": True, "public_channel": False}
        wanted = {kinds[one] for one in types.split(",") if one in kinds}
        found = [
            {"id": one.id, "is_private": one.is_private, "is_ext_shared": one.is_shared}
            for one in self.channels.values()
            if user in self.members[one.id] and one.is_private in wanted and not one.is_direct
        ]
        return {"channels": found}

    def conversations_members(self, *, channel: str, **_: Any) -> dict[str, Any]:
        return {"members": sorted(self.members[channel])}

    def conversations_info(self, *, channel: str) -> dict[str, Any]:
        where = self.channels[channel]
        about = {"id": channel, "is_private": where.is_private, "is_im": where.is_direct}
        return {"channel": about | {"is_ext_shared": where.is_shared, "name": where.name}}


def _one_workspace(chance: random.Random, log: _Log) -> Counter[str]:
    world = _world(chance)
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{folder}/lorekeeper.sqlite")
        desk, assistant = _parts(world, engine, _index(world, Path(folder)))
        with log.listening():
            for number in range(EACH):
                _move(world, desk)
                found += _ask(world, desk, assistant, number)
            found += _prompts(world, desk) + _digests(world, desk)
        engine.dispose()
    return found


def _world(chance: random.Random) -> _World:
    world = _World(chance)
    for number in range(chance.randint(6, 14)):
        about: dict[str, Any] = {"team_id": TEAM, "name": f"p{number}"}
        if number > 2 and chance.random() < 0.2:
            about["is_restricted"] = True
        elif number > 2 and chance.random() < 0.2:
            about["team_id"] = "T2"
        world.people[f"U{number}"] = about
    for number in range(chance.randint(5, 12)):
        is_private = chance.random() < 0.5
        channel = Channel(
            id=f"{'G' if is_private else 'C'}{number}", name=f"room{number}",
            is_private=is_private, is_shared=chance.random() < 0.3,
        )  # fmt: skip
        world.channels[channel.id] = channel
        may_join = [
            user
            for user in world.people
            if channel.is_shared or world.people[user]["team_id"] == TEAM
        ]
        world.members[channel.id] = {user for user in may_join if chance.random() < 0.5}
    for user in world.people:
        direct = f"D{user[1:]}"
        world.channels[direct] = Channel(id=direct, name=direct, is_private=True, is_direct=True)
        world.members[direct] = {user}
    return world


def _index(world: _World, folder: Path) -> Index:
    """Some messages in every channel; direct messages are never indexed, nor are they here."""
    found = []
    for channel in world.channels.values():
        for number in range(0 if channel.is_direct else world.chance.randint(1, 5)):
            topic = world.chance.choice(TOPICS)
            found.append(
                passage(
                    kind=world.chance.choice((PassageKind.THREAD, PassageKind.PAIR)),
                    text=f"The {topic} works so: zq{channel.id}x{number} and then again.",
                    title=f"About {topic} zq{channel.id}x",
                    url=f"https://x.slack.com/archives/{channel.id}/p{number}zq{channel.id}x",
                    scope=channel.scope,
                    author=f"zq{channel.id}x",
                    conversation=f"{channel.id}/{number}.0",
                    said=(f"{channel.id}/{number}.0",),
                )
            )
    return build(found, HashingEmbedder(), ArtifactStore(folder))


def _parts(world: _World, engine: Engine, index: Index) -> tuple[Desk, Assistant]:
    client = cast("WebClient", world)
    settings = Settings(bot=Bot(), retrieval=Retrieval(min_evidence=0.05))
    desk = Desk(
        engine=engine,
        settings=settings,
        client=client,
        me=Me(user="UBOT", bot="B1", team=TEAM, url="https://x.slack.com/"),
        access=Access(client, settings.bot, team=TEAM, now=lambda: 0.0),
        inbox=Inbox(engine, threads=1),
        library=Library(engine),
    )
    with engine.begin() as db:
        for channel in world.channels.values():
            messages.put_channel(db, channel)
    assistant = Assistant(
        search=index,
        engine_url="",
        model=lambda wanted: (wanted or "v1", wanted or "v1"),
        retrieval=settings.retrieval,
        serving=Serving(),
        speak=_parrot,
    )
    return desk, assistant


async def _parrot(request: chat.Request) -> AsyncGenerator[str, None]:
    for turn in request.messages:
        yield turn["content"]


def _move(world: _World, desk: Desk) -> None:
    """Somebody joins or leaves; nothing that was remembered runs out by itself here, and Slack may say
    nothing, so that only the last look before quoting helps."""
    if world.chance.random() >= MOVES:
        return
    user = world.chance.choice(list(world.people))
    channel = world.chance.choice([one for one in world.channels if not one.startswith("D")])
    if user in world.members[channel]:
        world.members[channel].discard(user)
    elif world.channels[channel].is_shared or world.people[user]["team_id"] == TEAM:
        world.members[channel].add(user)
    if world.chance.random() >= UNTOLD:
        desk.access.forget(user)


def _ask(world: _World, desk: Desk, assistant: Assistant, number: int) -> Counter[str]:
    user = world.chance.choice(list(world.people))
    places = [one for one in world.channels if user in world.members[one]]
    where = world.channels[world.chance.choice(places)]
    alone = where.is_direct or world.chance.random() < 0.3
    question = f"how does the {world.chance.choice(TOPICS)} work in zq{where.id}x"
    found: Counter[str] = Counter(asks=1)
    made = None
    while made is None:
        try:
            asking = reply.asking_of(
                desk, where, user, [{"role": "user", "content": question}], alone=alone,
                thread_ts=None if alone else f"{number}.0",
            )  # fmt: skip
        except NotAllowed:
            return found + Counter(refused=1)
        made = _answer(desk, assistant, asking)
        found["stale"] += made is None
    readers = {user} if alone else world.readers(where.id)
    told = repr(made).replace(repr(question), "")
    leaks = sum(
        not _may_be_shown(world, channel, readers, where, alone=alone)
        for channel in set(MARK.findall(told))
    )
    found["answered"] += bool(made.citations)
    found["from private sources"] += any(scope != PUBLIC for scope in made.scopes)
    found["leaks in answers"] += leaks
    if world.chance.random() < KEPT:
        with desk.engine.begin() as db:
            answers.add(db, made)
    return found


def _answer(desk: Desk, assistant: Assistant, asking: Asking) -> Answer | None:
    """As the gateway and `bot.reply` do it: the last look at the memberships is before anything is shown."""
    asked = Asked(
        question=asking.turns[-1]["content"],
        scopes=asking.scopes,
        exclude=asking.exclude,
        asker=asking.asker,
        channel=asking.channel,
        thread_ts=asking.thread_ts,
        model=None if asking.model == ASSISTANT else asking.model,
        kinds=frozenset(asking.kinds),
        style=asking.style,
    )
    made = None
    for step in pulled(assistant.answer(asked)):
        if not reply.may_still_see(desk, asking, step.scopes):
            return None
        made = step.answer or made
    assert made is not None
    return made if reply.may_still_see(desk, asking, made.scopes) else None


def _may_be_shown(
    world: _World, channel: str, readers: Iterable[str], where: Channel, *, alone: bool
) -> bool:
    is_public = world.channels[channel].scope == PUBLIC
    if not alone and is_public and not where.is_shared:
        return True  # what is public may be quoted in every channel of the own workspace
    return all(world.may_open(user, channel) for user in readers)


def _prompts(world: _World, desk: Desk) -> Counter[str]:
    """Each person's suggestions; the questions were asked in channels whose mark they hold."""
    found: Counter[str] = Counter()
    desk.access.forget_memberships()
    for user in world.people:
        for prompt in prompts.for_person(desk, user, f"D{user[1:]}"):
            found["prompts"] += 1
            found["leaks in prompts"] += sum(
                not world.may_open(user, channel) for channel in MARK.findall(prompt)
            )
    return found


def _digests(world: _World, desk: Desk) -> Counter[str]:
    found: Counter[str] = Counter()
    for channel in world.channels.values():
        if channel.is_direct or channel.is_shared:
            continue  # a review channel is the team's own
        with reading(desk.engine) as db:
            week = weekly.of(db, channel.id, 0.0)
        found["digests"] += 1
        shown = {
            mark
            for part in (week.gaps, week.often)
            for group in part
            for a in group
            for mark in MARK.findall(repr(a))
        }
        found["leaks in digests"] += sum(
            world.channels[mark].scope != PUBLIC and mark != channel.id for mark in shown
        )
    return found


class _Log(logging.Handler):
    """Every line that is logged while it listens."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def listening(self) -> _Listening:
        return _Listening(self)


class _Listening:
    def __init__(self, log: _Log) -> None:
        self._log = log

    def __enter__(self) -> None:
        logging.getLogger().addHandler(self._log)
        structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._log)
        structlog.reset_defaults()


if __name__ == "__main__":
    typer.run(main)
