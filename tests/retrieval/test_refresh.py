"""The index follows the database, and never quotes what was taken back."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import (
    PUBLIC,
    Channel,
    Message,
    Origin,
    Pair,
    PairState,
    Passage,
    SharedFile,
)
from lorekeeper.errors import Cancelled
from lorekeeper.settings import Retrieval, Settings, Store
from lorekeeper.store import files, indexes, messages, pairs
from retrieval import embed, pages, refresh, sources
from retrieval import index as indexing
from retrieval.embed import HashingEmbedder
from retrieval.refresh import Refresher

EVERYONE = frozenset({PUBLIC})


@pytest.fixture
def settings(data: Path) -> Settings:
    return Settings(store=Store(data=data), retrieval=Retrieval(refresh_seconds=0.01))


@pytest.fixture
def refresher(engine: Engine, settings: Settings) -> Iterator[Refresher]:
    made = Refresher(engine, settings, HashingEmbedder())
    yield made
    made.stop()


def say(engine: Engine, text: str, ts: str = "100.0", *, private: bool = False) -> Message:
    message = Message(channel="C1", ts=ts, author="U1", text=text)
    with engine.begin() as db:
        messages.put_channel(db, Channel(id="C1", name="ops", is_private=private))
        messages.put(db, message)
    return message


def approve(engine: Engine, question: str, answer: str) -> Pair:
    candidate = Pair(
        id=0,
        question=question,
        answer=answer,
        state=PairState.CANDIDATE,
        origin=Origin.REACTION,
        channel="C1",
        scope=PUBLIC,
        conversation="C1/1.0",
        source="https://example.com/p1",
        answer_ts="2.0",
        question_ts="1.0",
        captured_by="U9",
    )
    with engine.begin() as db:
        return pairs.move(db, pairs.add(db, candidate), PairState.APPROVED, by="U9")


def found(
    search: Callable[..., list[refresh.Hit]], question: str, scopes: frozenset[str] = EVERYONE
) -> list[str]:
    return [hit.passage.text for hit in search(question, scopes=scopes, k=5)]


def test_what_is_said_can_be_found_after_a_look(engine: Engine, refresher: Refresher) -> None:
    assert found(refresher.search, "backup") == []
    say(engine, "backups run at night")
    assert refresher.look()
    assert found(refresher.search, "backups") == ["backups run at night"]
    assert not refresher.look()


def test_an_edit_replaces_what_was_said(engine: Engine, refresher: Refresher) -> None:
    say(engine, "backups run at night")
    refresher.look()
    say(engine, "backups run at noon")
    refresher.look()
    assert found(refresher.index.search, "backups") == ["backups run at noon"]


def test_a_deleted_message_is_not_quoted_even_before_the_next_look(
    engine: Engine, refresher: Refresher
) -> None:
    say(engine, "backups run at night")
    refresher.look()
    with engine.begin() as db:
        messages.forget(db, "C1", "100.0")
    assert found(refresher.search, "backups") == []


def test_a_retired_pair_is_not_quoted_and_leaves_its_place_to_the_next(
    engine: Engine, refresher: Refresher
) -> None:
    pair = approve(engine, "When do backups run?", "At night.")
    say(engine, "backups are boring")
    refresher.look()
    assert refresher.search("backups run", scopes=EVERYONE, k=1)[0].passage.author == ""
    with engine.begin() as db:
        pairs.move(db, pair, PairState.RETIRED, by="U9")
    hits = refresher.search("backups run", scopes=EVERYONE, k=1)
    assert [hit.passage.text for hit in hits] == ["backups are boring"]


def test_what_was_said_in_a_channel_that_became_private_is_no_longer_public(
    engine: Engine, refresher: Refresher
) -> None:
    say(engine, "backups run at night")
    refresher.look()
    with engine.begin() as db:
        messages.put_channel(db, Channel(id="C1", name="ops", is_private=True))
    assert found(refresher.search, "backups") == []
    refresher.look()
    assert found(refresher.search, "backups") == []
    assert found(refresher.search, "backups", frozenset({"C1"})) == ["backups run at night"]


def test_a_file_is_found_where_it_is_shared_and_not_even_before_the_next_look_where_it_is_not(
    engine: Engine, refresher: Refresher
) -> None:
    file = SharedFile(
        id="F1", title="Ports", author="U1", text="The relay: 7007.", url="https://slack/F1", at=5.0,
        channels=("G1", "G2"),
    )  # fmt: skip
    with engine.begin() as db:
        for channel in file.channels:
            messages.put_channel(db, Channel(id=channel, name="x", is_private=True))
        files.put(db, file)
    refresher.look()
    for scope in file.channels:
        assert found(refresher.search, "relay", frozenset({scope})) == ["Ports\n\nThe relay: 7007."]
    assert found(refresher.search, "relay", frozenset({PUBLIC, "G3"})) == []
    with engine.begin() as db:
        files.unshare(db, "F1", "G1")
    assert found(refresher.search, "relay", frozenset({"G1"})) == []
    assert found(refresher.search, "relay", frozenset({"G2"})) != []
    with engine.begin() as db:
        files.remove(db, "F1")
    assert found(refresher.search, "relay", frozenset({"G2"})) == []


def test_a_pin_reaches_the_index(engine: Engine, refresher: Refresher) -> None:
    say(engine, "backups run at night")
    refresher.look()
    with engine.begin() as db:
        messages.pin(db, "C1", "100.0", is_pinned=True)
    assert refresher.look()
    assert refresher.search("backups", scopes=EVERYONE, k=1)[0].passage.is_pinned


def test_what_is_deleted_while_the_next_index_is_built_is_in_neither(
    engine: Engine, refresher: Refresher, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(engine, "backups run at night")
    real = refresh.update

    def slow_update(*args: object, **options: object) -> object:
        with engine.begin() as db:
            messages.forget(db, "C1", "100.0")
        return real(*args, **options)  # type: ignore[arg-type]  # handed through as they came

    monkeypatch.setattr(refresh, "update", slow_update)
    refresher.look()
    assert found(refresher.index.search, "backups") == []


def test_the_old_index_serves_while_the_new_one_is_built(
    engine: Engine, refresher: Refresher, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(engine, "backups run at night")
    refresher.look()
    seen = list[list[str]]()
    real = refresh.update

    def update_and_search(*args: object, **options: object) -> object:
        seen.append(found(refresher.search, "backups"))
        return real(*args, **options)  # type: ignore[arg-type]  # handed through as they came

    monkeypatch.setattr(refresh, "update", update_and_search)
    say(engine, "restores run at noon", ts="90000.0")
    refresher.look()
    assert seen == [["backups run at night"]]


def test_only_the_newest_index_stays_on_the_disk(
    engine: Engine, refresher: Refresher, data: Path
) -> None:
    for hour in range(4):
        say(engine, f"it is {hour} o'clock")
        refresher.look()
    with engine.begin() as db:
        current = indexes.current(db)
    assert current is not None
    assert current.folder == refresher.index.folder
    assert (current.hash, current.passages) == (refresher.index.hash, 1)
    kept = [path.name for path in (data / "indexes").iterdir()]
    assert current.folder.removeprefix("indexes/") in kept
    assert len(kept) <= 2  # the newest, and the empty one that was never recorded


def test_an_index_that_nobody_recorded_is_removed_in_the_end(
    engine: Engine, refresher: Refresher, data: Path
) -> None:
    of_others = [data / "indexes" / name for name in ("0123", "4567")]
    for folder in of_others:
        folder.mkdir()
    os.utime(of_others[0], (0, 0))
    say(engine, "backups run at night")
    refresher.look()
    assert [folder.exists() for folder in of_others] == [False, True]


def test_the_last_index_is_opened_at_the_next_start(
    engine: Engine, refresher: Refresher, settings: Settings
) -> None:
    say(engine, "backups run at night")
    refresher.look()
    embedder = HashingEmbedder()
    again = Refresher(engine, settings, embedder)
    assert found(again.search, "backups") == ["backups run at night"]
    again.look()
    assert embedder.embedded == []


def test_a_damaged_index_is_built_again(
    engine: Engine, refresher: Refresher, settings: Settings, data: Path
) -> None:
    say(engine, "backups run at night")
    refresher.look()
    (segment,) = refresher.index.segments
    (data / segment.folder / "passages.jsonl").write_text("")
    again = Refresher(engine, settings, HashingEmbedder())
    assert len(again.index) == 0
    again.look()
    assert found(again.search, "backups") == ["backups run at night"]


def test_the_thread_follows_by_itself(engine: Engine, refresher: Refresher) -> None:
    with refresher:
        message = say(engine, "backups run at night")
        assert refresher.wait_for(lambda index: len(index) == 1, timeout=20)
        assert refresher.wait_past(message.at, timeout=20)


def test_a_failure_is_logged_and_told_and_does_not_end_the_following(
    engine: Engine,
    refresher: Refresher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    say(engine, "backups run at night")
    real, failed = sources.from_slack, threading.Event()

    def fail_once(*args: object) -> Iterator[Passage]:
        if not failed.is_set():
            failed.set()
            raise ZeroDivisionError("made to fail")
        return real(*args)  # type: ignore[arg-type]  # handed through as they came

    monkeypatch.setattr(sources, "from_slack", fail_once)
    errors = list[str]()
    tell = refresher._tell
    monkeypatch.setattr(
        refresher,
        "_tell",
        lambda **told: (errors.append(str(told.get("error", ""))), tell(**told)),
    )
    with refresher:
        assert refresher.wait_for(lambda index: len(index) == 1, timeout=20)
    assert "made to fail" in caplog.text
    assert any(error.startswith("ZeroDivisionError") for error in errors)


def test_documents_are_read_again_when_they_change(
    engine: Engine, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LOOK_AT_DOCUMENTS", 0.0)
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("# Backups\n\nAt night.")
    settings = Settings(store=Store(data=data), retrieval=Retrieval(documents=(str(page.parent),)))
    refresher = Refresher(engine, settings, HashingEmbedder())
    assert refresher.look()
    assert found(refresher.search, "backups") == ["Backups\n\nAt night."]
    page.write_text("# Backups\n\nAt noon, every day.")
    assert refresher.look()
    assert found(refresher.search, "backups") == ["Backups\n\nAt noon, every day."]


def test_messages_do_not_wait_for_documents_that_take_long_to_read(
    engine: Engine, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Restores\n\nAt noon.")
    settings = Settings(
        store=Store(data=data),
        retrieval=Retrieval(documents=(str(page),), refresh_seconds=0.01),
    )
    with Refresher(engine, settings, HashingEmbedder()) as before:
        assert before.wait_for(lambda index: len(index) == 1, timeout=20)
    real, goes_on = sources.from_documents, threading.Event()

    def slowly(*args: object) -> Iterator[Passage]:
        assert goes_on.wait(60)
        yield from real(*args)  # type: ignore[arg-type]  # handed through as they came

    monkeypatch.setattr(sources, "from_documents", slowly)
    say(engine, "backups run at night")
    with Refresher(engine, settings, HashingEmbedder()) as refresher:
        assert refresher.wait_for(lambda index: len(index) == 2, timeout=20)  # the page stays, too
        page.write_text("# Restores\n\nAt noon, every day.")
        goes_on.set()
        text = "Restores\n\nAt noon, every day."
        assert refresher.wait_for(lambda index: text in {p.text for p in index.shown()}, timeout=20)
    assert found(refresher.search, "backups")[0] == "backups run at night"


def test_a_missing_folder_is_told_and_the_rest_goes_on(engine: Engine, data: Path) -> None:
    settings = Settings(
        store=Store(data=data), retrieval=Retrieval(documents=(str(data / "nowhere"),))
    )
    refresher = Refresher(engine, settings, HashingEmbedder())
    say(engine, "backups run at night")
    refresher.look()
    assert "nowhere" in refresher.status.error
    assert found(refresher.search, "backups") == ["backups run at night"]


def test_what_is_said_again_the_same_changes_nothing(
    engine: Engine, refresher: Refresher, data: Path
) -> None:
    say(engine, "backups run at night")
    refresher.look()
    before = refresher.index.folder
    say(engine, "backups run at night")
    assert not refresher.look()
    with engine.begin() as db:
        last = indexes.current(db)
    assert last is not None
    assert last.folder == refresher.index.folder == before
    assert ArtifactStore(data).open(last.folder)


class AnotherEmbedder(HashingEmbedder):
    name = "another"


def test_with_another_embedder_the_last_index_serves_and_follows_until_the_new_one_is_whole(
    engine: Engine, refresher: Refresher, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(engine, "backups run at night")
    refresher.look()
    monkeypatch.setattr(embed, "load", lambda name, data: HashingEmbedder())
    monkeypatch.setattr(refresh, "PORTION", 1)
    changed = Refresher(engine, settings, AnotherEmbedder())
    assert found(changed.search, "backups") == ["backups run at night"]
    served = list[tuple[str, list[str]]]()

    class Watching(AnotherEmbedder):
        def passages(self, texts: list[str]) -> np.ndarray:
            if not served:
                say(engine, "restores run at noon", ts="90000.0")
            served.append((changed.index.embedder.name, found(changed.search, "run")))
            return super().passages(texts)

    changed._embedder = Watching()
    say(engine, "disks are full", ts="50000.0")
    changed.look()
    assert {name for name, _ in served} == {"hashing"}
    assert len(served[0][1]) == 1
    assert "restores run at noon" in served[-1][1]
    changed.look()
    assert changed.index.embedder.name == "another"
    assert len(found(changed.search, "run full")) == 3


def test_a_build_that_was_stopped_goes_on_where_it_was(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "PORTION", 1)
    for hour in range(4):
        say(engine, f"it is {hour} o'clock", ts=f"{hour + 1}0000.0")
    stopped = Refresher(engine, settings, HashingEmbedder())
    stopped._told = lambda status: stopped._stop.set() if status.embedded == 2 else None
    with pytest.raises(Cancelled):
        stopped.look()
    embedder = HashingEmbedder()
    again = Refresher(engine, settings, embedder)
    assert len(again.index) == 2
    again.look()
    assert len(again.index) == 4
    assert len(embedder.embedded) == 2


def test_what_another_process_has_built_is_taken_over(
    engine: Engine, refresher: Refresher, settings: Settings
) -> None:
    embedder = HashingEmbedder()
    other = Refresher(engine, settings, embedder)
    say(engine, "backups run at night")
    refresher.look()
    assert not other.look()
    assert found(other.search, "backups") == ["backups run at night"]
    assert embedder.embedded == []


def test_merging_in_the_background_loses_nothing_that_changed_meanwhile(
    engine: Engine, refresher: Refresher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "AT_ONCE", 0)  # every update leaves the merging for later
    for hour in range(3):
        say(engine, f"it is {hour} o'clock", ts=f"{hour + 1}0000.0")
        refresher.look()
    assert len(refresher.index.segments) == 3
    real = refresh.merge

    def slow_merge(*args: object, **options: object) -> object:
        merged = real(*args, **options)  # type: ignore[arg-type]  # handed through as they came
        say(engine, "it is late", ts="90000.0")
        with engine.begin() as db:
            messages.forget(db, "C1", "10000.0")
        refresher.look()
        return merged

    monkeypatch.setattr(refresh, "merge", slow_merge)
    refresher.tidy()
    texts = sorted(passage.text for passage in refresher.index.shown())
    assert texts == ["it is 1 o'clock", "it is 2 o'clock", "it is late"]
    assert len(refresher.index.segments) == 2
    assert not refresher.look()


def test_a_long_build_says_how_far_it_is(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "PORTION", 1)
    for hour in range(3):
        say(engine, f"it is {hour} o'clock", ts=f"{hour + 1}0000.0")
    told = list[tuple[int, int]]()
    made = Refresher(
        engine,
        settings,
        HashingEmbedder(),
        told=lambda status: told.append((status.embedded, status.to_embed)),
    )
    made.look()
    assert [(number, 3) for number in range(4)] == [each for each in dict.fromkeys(told) if each[1]]
