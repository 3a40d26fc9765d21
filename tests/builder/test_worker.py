"""A worker begins when it may and when the card is free, and gives the card back."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from builder import worker
from builder.worker import Worker
from lorekeeper import leases
from lorekeeper import settings as config
from lorekeeper.domain import Run, RunState
from lorekeeper.store import reading, runs
from tests.lorekeeper.store.test_deployments import add_dataset

ENGINE = "the engine"


@pytest.fixture
def made(engine: Engine, data: Path) -> Worker:
    rules = config.Settings(
        store=config.Store(data=data),
        train=config.Train(heartbeat_seconds=0.05),
        serving=config.Serving(share_card="yes"),
    )
    with engine.begin() as db:
        runs.queue(
            db, dataset_id=add_dataset(db), recipe="qlora", options={}, base_model="tiny",
            requested_by="U1",
        )  # fmt: skip
    return Worker(engine, rules)


def trains(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> list[str | None]:
    """Let a child do nothing; who held the card when it was started."""
    held: list[str | None] = []

    def start(_run: Run, _worker: str, _settings: object, path: Path) -> subprocess.Popen[bytes]:
        with reading(engine) as db:
            held.append(leases.holder(db, leases.card()))
        said = "print('{\"adapter_id\": null}')"
        with path.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-c", said], stdout=output, start_new_session=True
            )

    monkeypatch.setattr(worker, "_start", start)
    return held


def state(engine: Engine) -> Run:
    with reading(engine) as db:
        return runs.latest(db)[0]


def test_a_run_holds_the_card_and_gives_it_back(
    engine: Engine, made: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = trains(monkeypatch, engine)
    assert made.work_once()
    assert len(held) == 1
    assert held[0] is not None
    assert state(engine).state is RunState.DONE
    with reading(engine) as db:
        assert leases.holder(db, leases.card()) is None


def test_a_run_waits_until_the_engine_has_made_room(
    engine: Engine, made: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = trains(monkeypatch, engine)
    with engine.begin() as db:
        leases.take(db, leases.card(), ENGINE)
    working = threading.Thread(target=made.work_once)
    working.start()
    while state(engine).progress.note != "waiting until the model has made room":
        working.join(0.01)
    assert not held
    with engine.begin() as db:
        leases.release(db, leases.card(), ENGINE)
    working.join()
    assert held != [ENGINE]
    assert state(engine).state is RunState.DONE


def test_a_run_that_waits_for_the_card_can_be_cancelled(
    engine: Engine, made: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = trains(monkeypatch, engine)
    with engine.begin() as db:
        leases.take(db, leases.card(), ENGINE)
    working = threading.Thread(target=made.work_once)
    working.start()
    while not state(engine).progress.note:
        working.join(0.01)
    with engine.begin() as db:
        runs.request_cancel(db, state(engine).id, "U9")
    working.join()
    assert not held
    assert state(engine).state is RunState.CANCELLED
    with reading(engine) as db:
        assert leases.holder(db, leases.card()) == ENGINE


@pytest.mark.parametrize(
    ("hours", "hour", "may"),
    [
        ("", 12, True),
        ("20-6", 20, True),
        ("20-6", 5, True),
        ("20-6", 6, False),
        ("9-17", 9, True),
        ("9-17", 17, False),
    ],
)
def test_runs_begin_in_their_hours(hours: str, hour: int, may: bool) -> None:
    assert worker._may_begin(hours, datetime(2026, 3, 1, hour)) is may


def test_hours_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORE_TRAIN__HOURS", "22-25")
    with pytest.raises(config.BadInput, match=r"train\.hours"):
        config.load()
