"""A worker begins when it may and when the card is free, and gives the card back."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from builder import worker
from builder.halving import is_halved
from builder.launch import Ended, local
from builder.worker import Worker
from lorekeeper import leases
from lorekeeper import settings as config
from lorekeeper.domain import Run, RunState
from lorekeeper.errors import NotReachable
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


class Instantly:
    """A launcher whose process has ended by itself before anybody looks."""

    def __init__(self, engine: Engine, ended: Ended, prints: str = "") -> None:
        self.held: list[str | None] = []  # who held the card when a run was started
        self._engine, self._ended, self._prints = engine, ended, prints

    def start(self, run: Run, worker: str, log: Path) -> Instantly:
        with reading(self._engine) as db:
            self.held.append(leases.holder(db, leases.card()))
        with log.open("a") as file:
            file.write(self._prints)
        return self

    def ended(self) -> Ended:
        return self._ended

    def waits_for(self) -> str:
        return ""

    def stop(self) -> None:
        pass


def trains(
    monkeypatch: pytest.MonkeyPatch, engine: Engine, ended: Ended | None = None, prints: str = ""
) -> list[str | None]:
    """Let a run end at once; who held the card when it was started."""
    instantly = Instantly(engine, ended or Ended(code=0), prints)
    monkeypatch.setattr(worker.launch, "of", lambda _: instantly)
    return instantly.held


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


def test_a_run_that_the_machine_ended_goes_on_elsewhere_until_that_is_too_often(
    engine: Engine, made: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    trains(monkeypatch, engine, Ended(code=1, why="A node failed.", may_go_on=True))
    for _ in range(runs.MAX_ATTEMPTS - 1):
        assert made.work_once()
        assert state(engine).state is RunState.QUEUED
    assert made.work_once()
    assert state(engine).state is RunState.FAILED
    assert state(engine).error == "A node failed."


def test_a_run_that_was_killed_for_memory_goes_on_once_in_smaller_batches(
    engine: Engine, made: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    trains(monkeypatch, engine, Ended(code=-9, why=local.OUT_OF_MEMORY))
    work = made.settings.store.data / "runs" / "1"
    work.mkdir(parents=True)
    assert made.work_once()
    assert state(engine).state is RunState.QUEUED
    assert is_halved(work)
    assert made.work_once()
    assert state(engine).state is RunState.FAILED
    assert state(engine).error == local.OUT_OF_MEMORY


def test_the_last_words_of_a_run_are_found_above_its_launchers(
    engine: Engine, made: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = '{"kind": "BadInput", "what": "The loss became nan.", "fix": "Use a smaller rate."}'
    noise = "".join(f"torch.distributed: line {number}\n" for number in range(60))
    trains(monkeypatch, engine, Ended(code=1), f"step 1\n{words}\n{noise}")
    assert made.work_once()
    assert state(engine).error == "The loss became nan. Use a smaller rate."


def test_the_words_of_an_earlier_attempt_are_not_this_ones(
    engine: Engine, made: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = made.settings.store.data / "logs" / f"run-{state(engine).id}.log"
    log.parent.mkdir()
    log.write_text('{"kind": "LeaseLost", "what": "Lost.", "fix": "None."}\n')
    trains(monkeypatch, engine, Ended(code=9), "something broke\n")
    assert made.work_once()
    assert "ended with code 9: something broke" in (state(engine).error or "")


def test_a_cluster_that_refuses_fails_the_run_in_its_words(
    engine: Engine, made: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise NotReachable("sbatch refused: no such partition.", fix="Look at sinfo.")

    monkeypatch.setattr(worker.launch, "of", refuse)
    assert made.work_once()
    assert state(engine).error == "sbatch refused: no such partition. Look at sinfo."


def test_a_run_says_what_its_job_waits_for(
    engine: Engine, made: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, told = Instantly(engine, Ended(code=0)), []

    def ended() -> Ended | None:
        told.append(state(engine).progress.note)
        return Ended(code=0) if len(told) > 1 else None

    monkeypatch.setattr(waits, "ended", ended)
    monkeypatch.setattr(waits, "waits_for", lambda: "waiting in the queue")
    monkeypatch.setattr(worker.launch, "of", lambda _: waits)
    assert made.work_once()
    assert told[-1] == "waiting in the queue"


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
