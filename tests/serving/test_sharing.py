"""A run gets the card, answers say so meanwhile, and the engine wakes when the run ends, dies or is cancelled."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator

import pytest
from sqlalchemy import Engine, update

from bench.rig.pulled import pulled
from lorekeeper import leases, tables
from lorekeeper.domain import Progress, Run, RunState, Stage
from lorekeeper.errors import AlreadyRunning, NotReachable
from lorekeeper.store import runs
from serving import chat
from serving.sharing import Sharing
from serving.traffic import Traffic
from tests.lorekeeper.store.test_deployments import add_dataset

WORKER = leases.holder_name()
ASKED = chat.Request(url="", model="base", messages=[], max_tokens=9, patience=1.0)


class Sleeper:
    """An engine of which only its memory matters."""

    def __init__(self) -> None:
        self.is_awake = True
        self.refuses = False

    def sleep(self) -> None:
        if self.refuses:
            raise NotReachable("It hangs.", fix="Look.")
        self.is_awake = False

    def wake(self) -> None:
        self.is_awake = True


@pytest.fixture
def sleeper() -> Sleeper:
    return Sleeper()


@pytest.fixture
def traffic() -> Traffic:
    async def speak(_request: chat.Request) -> AsyncGenerator[str, None]:
        for word in ("one", "two"):
            yield word

    return Traffic(speak)


@pytest.fixture
def sharing(engine: Engine, sleeper: Sleeper, traffic: Traffic) -> Iterator[Sharing]:
    """Its own looks are far apart, so that each test looks itself."""
    made = Sharing(engine, traffic, drain=0.1, silence=30.0, every=3600.0)
    with made:
        made.follow(sleeper)
        yield made


def claimed(engine: Engine, worker: str = WORKER) -> Run:
    with engine.begin() as db:
        runs.queue(
            db, dataset_id=add_dataset(db), recipe="qlora", options={}, base_model="tiny",
            requested_by="U1",
        )  # fmt: skip
        run = runs.claim(db, worker)
    assert run is not None
    return run


def card_is_free(engine: Engine) -> bool:
    try:
        with engine.begin() as db:
            leases.take(db, leases.card(), WORKER)
            leases.release(db, leases.card(), WORKER)
    except AlreadyRunning:
        return False
    return True


def test_the_engine_holds_the_card_until_a_run_needs_it(
    engine: Engine, sharing: Sharing, sleeper: Sleeper
) -> None:
    sharing.look()
    assert sleeper.is_awake
    assert not card_is_free(engine)
    claimed(engine)
    sharing.look()
    assert not sleeper.is_awake
    assert card_is_free(engine)


def test_answers_say_why_and_when_the_model_is_back(
    engine: Engine, sharing: Sharing, traffic: Traffic
) -> None:
    assert list(pulled(traffic.speak(ASKED))) == ["one", "two"]
    run = claimed(engine)
    with engine.begin() as db:
        runs.report(db, run.id, WORKER, Progress(stage=Stage.TRAINING, seconds_left=720.0))
    sharing.look()
    with pytest.raises(chat.EngineFailed, match=rf"run {run.id}\) and is back in about 12 minutes"):
        list(pulled(traffic.speak(ASKED)))


@pytest.mark.parametrize("state", [RunState.DONE, RunState.FAILED, RunState.CANCELLED])
def test_it_wakes_when_the_run_is_over(
    engine: Engine, sharing: Sharing, sleeper: Sleeper, traffic: Traffic, state: RunState
) -> None:
    run = claimed(engine)
    sharing.look()
    with engine.begin() as db:
        leases.take(db, leases.card(), WORKER)
    sharing.look()
    assert not sleeper.is_awake
    with engine.begin() as db:
        runs.finish(db, run.id, WORKER, state)
    sharing.look()
    assert not sleeper.is_awake  # the worker has not given the card back yet
    with engine.begin() as db:
        leases.release(db, leases.card(), WORKER)
    sharing.look()
    assert sleeper.is_awake
    assert list(pulled(traffic.speak(ASKED))) == ["one", "two"]


def test_it_wakes_when_the_worker_died(engine: Engine, sharing: Sharing, sleeper: Sleeper) -> None:
    claimed(engine)
    sharing.look()
    with engine.begin() as db:
        leases.take(db, leases.card(), WORKER)
        long_ago = time.time() - 3600
        db.execute(update(tables.leases).values(heartbeat_at=long_ago))
        db.execute(update(tables.runs).values(heartbeat_at=long_ago))
    sharing.look()
    assert sleeper.is_awake


def test_a_run_of_another_machine_disturbs_nothing(
    engine: Engine, sharing: Sharing, sleeper: Sleeper
) -> None:
    claimed(engine, worker="elsewhere:1:abc")
    sharing.look()
    assert sleeper.is_awake
    assert not card_is_free(engine)


def test_an_engine_that_does_not_sleep_keeps_the_card(
    engine: Engine, sharing: Sharing, sleeper: Sleeper, traffic: Traffic
) -> None:
    sleeper.refuses = True
    claimed(engine)
    sharing.look()
    assert not card_is_free(engine)
    assert list(pulled(traffic.speak(ASKED))) == ["one", "two"]
    sleeper.refuses = False
    sharing.look()
    assert card_is_free(engine)


def test_an_engine_that_starts_during_a_run_starts_asleep(
    engine: Engine, traffic: Traffic, sleeper: Sleeper
) -> None:
    claimed(engine)
    with engine.begin() as db:
        leases.take(db, leases.card(), WORKER)
    with Sharing(engine, traffic, drain=0.1, silence=30.0, every=3600.0) as made:
        assert made.is_asleep
        with pytest.raises(chat.EngineFailed, match="makes room for training"):
            list(pulled(traffic.speak(ASKED)))


def test_what_is_being_written_goes_on_for_as_long_as_it_may(traffic: Traffic) -> None:
    answer = pulled(traffic.speak(ASKED))
    next(answer)
    traffic.close("test", lambda: "away")
    assert not traffic.wait_until_quiet(0.01)
    assert list(answer) == ["two"]
    assert traffic.wait_until_quiet(0.01)
