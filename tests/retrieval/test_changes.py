"""However the database came to be what it is, following it step by step gives what starting anew would."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from lorekeeper.domain import PUBLIC, Channel, Message, Origin, Pair, PairState, SharedFile
from lorekeeper.settings import Retrieval, Settings, Store
from lorekeeper.store import files, messages, open_database, pairs, reading
from retrieval import sources
from retrieval.embed import HashingEmbedder
from retrieval.refresh import Refresher

CHANNELS = ("C1", "C2")
# Two that are away from each other by three steps have a silence between them, if nobody spoke meanwhile.
MOMENTS = [f"{1700000000 + 1500 * step}.000000" for step in range(12)]

places = st.tuples(st.sampled_from(CHANNELS), st.sampled_from(MOMENTS))
deeds = st.one_of(
    st.tuples(st.just("say"), places, st.sampled_from(["backups run", "restore it", "disk full"])),
    st.tuples(st.just("reply"), places, st.sampled_from(MOMENTS)),
    st.tuples(st.just("app"), places, st.sampled_from(MOMENTS)),
    st.tuples(st.just("delete"), places, st.none()),
    st.tuples(st.just("approve"), places, st.none()),
    st.tuples(st.just("withdraw"), places, st.none()),
    st.tuples(st.just("hide"), places, st.booleans()),
    st.tuples(st.just("leave"), places, st.none()),
    st.tuples(st.just("connect"), places, st.booleans()),
    st.tuples(st.just("pin"), places, st.booleans()),
    st.tuples(st.just("share"), places, st.none()),
    st.tuples(st.just("unshare"), places, st.none()),
    st.tuples(st.just("look"), places, st.none()),
)


@contextmanager
def workspace() -> Iterator[tuple[Engine, Settings]]:
    with tempfile.TemporaryDirectory() as folder:
        chosen = Settings(store=Store(data=Path(folder)), retrieval=Retrieval(refresh_seconds=0.01))
        engine = open_database(chosen.database_url)
        with engine.begin() as db:
            for name in CHANNELS:
                messages.put_channel(db, Channel(id=name, name=name.lower()))
        yield engine, chosen
        engine.dispose()


def do(db: Connection, deed: str, channel: str, ts: str, detail: object) -> None:
    said = Message(channel=channel, ts=ts, author="U1", text=f"{deed} {detail} at {ts}")
    live = pairs.live(db, channel=channel, answer_ts=ts)
    match deed:
        case "say":
            messages.put(db, said)
        case "reply" | "app" if str(detail) < ts:
            messages.put(db, replace(said, thread_ts=str(detail), is_bot=deed == "app"))
        case "delete":
            messages.forget(db, channel, ts)
        case "approve" if live is None:
            pairs.move(db, pairs.add(db, candidate(channel, ts)), PairState.APPROVED, by="U9")
        case "withdraw" if live is not None:
            pairs.move(db, live, PairState.RETIRED, by="U9")
        case "hide":
            messages.put_channel(db, Channel(id=channel, name=channel, is_private=bool(detail)))
        case "connect":
            messages.put_channel(db, Channel(id=channel, name=channel, is_shared=bool(detail)))
        case "leave":
            messages.remove_channel(db, channel)
            files.remove_channel(db, channel)
        case "pin":
            messages.pin(db, channel, ts, is_pinned=bool(detail))
        case "share":
            known = files.get(db, f"F{ts[7:10]}")
            shared = {channel, *(known.channels if known else ())}
            files.put(db, file(f"F{ts[7:10]}", sorted(shared)))
        case "unshare":
            files.unshare(db, f"F{ts[7:10]}", channel)


def candidate(channel: str, ts: str) -> Pair:
    return Pair(
        id=0,
        question=f"What about {ts}?",
        answer=f"The answer of {ts}.",
        state=PairState.CANDIDATE,
        origin=Origin.REACTION,
        channel=channel,
        scope=PUBLIC,
        conversation=f"{channel}/{ts}",
        source="https://example.com/p1",
        answer_ts=ts,
        captured_by="U9",
    )


def file(name: str, channels: list[str]) -> SharedFile:
    text = f"What {name} says."
    return SharedFile(
        id=name, title=name, author="U1", text=text, url=name, at=1.0, channels=tuple(channels)
    )


def held(refresher: Refresher) -> set[str]:
    return {passage.id for passage in refresher.index.shown()}


@given(history=st.lists(deeds, max_size=25))
@settings(max_examples=40, deadline=None)
def test_an_index_that_follows_holds_what_a_new_one_would(
    history: list[tuple[str, tuple[str, str], object]],
) -> None:
    with workspace() as (engine, chosen):
        refresher = Refresher(engine, chosen, HashingEmbedder())
        refresher.look()
        for deed, (channel, ts), detail in history:
            if deed == "look":
                refresher.look()
                continue
            with engine.begin() as db:
                do(db, deed, channel, ts, detail)
        refresher.look()
        with reading(engine) as db:
            wanted = {p.id for p in sources.from_slack(db, chosen, HashingEmbedder())}
        assert held(refresher) == wanted
        again = Refresher(engine, chosen, HashingEmbedder())
        again.look()
        assert held(again) == wanted


def test_only_what_changed_is_embedded(tmp_path: Path) -> None:
    with workspace() as (engine, chosen):
        with engine.begin() as db:
            for place, ts in enumerate(MOMENTS):
                do(db, "say", CHANNELS[place % 2], ts, "backups")
        embedder = HashingEmbedder()
        refresher = Refresher(engine, chosen, embedder)
        refresher.look()
        embedder.embedded.clear()
        with engine.begin() as db:
            do(db, "reply", "C1", f"{1700100000}.000000", MOMENTS[0])
        assert refresher.look()
        assert all(MOMENTS[0] in text or MOMENTS[2] in text for text in embedder.embedded)
        assert 0 < len(embedder.embedded) <= 2


def test_what_was_written_before_a_look_and_committed_after_it_is_not_missed() -> None:
    with workspace() as (engine, chosen):
        refresher = Refresher(engine, chosen, HashingEmbedder())
        refresher.look()
        with engine.connect() as late, late.begin():
            do(late, "say", "C1", MOMENTS[0], "backups")
            assert not refresher.look()
        assert refresher.look()
        assert len(refresher.index) == 1


def test_a_file_that_was_deleted_does_not_stop_the_following() -> None:
    with workspace() as (engine, chosen):
        refresher = Refresher(engine, chosen, HashingEmbedder())
        refresher.look()
        with engine.begin() as db:
            files.forget(db, "F7")
            do(db, "say", "C1", MOMENTS[0], "backups")
        assert refresher.look()
        assert len(refresher.index) == 1
