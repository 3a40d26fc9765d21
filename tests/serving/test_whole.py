"""A model that was trained as a whole runs in the base's place, and the base comes back with its adapter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file
from sqlalchemy import Engine, update

from bench.rig.pulled import pulled
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import BASE_NAME, Level, Ways
from lorekeeper.errors import NotReachable
from lorekeeper.store import deployments, reading, ways
from lorekeeper.tables import adapters
from serving import chat, fit
from serving.adapters import Keeper
from serving.assistant import Asked
from serving.fake_engine import FakeEngine, Script
from serving.traffic import Traffic
from tests.lorekeeper.store.test_deployments import add_adapters, unscored
from tests.serving.conftest import assistant, index_of, said, save_adapter
from tests.serving.test_adapters import deployed, row

Speak = Callable[[Script], FakeEngine]


@pytest.fixture
def artifacts(engine: Engine, tmp_path: Path) -> ArtifactStore:
    """v1 and v2 are adapters, v3 is a whole model."""
    store = ArtifactStore(tmp_path / "artifacts")
    with engine.begin() as db:
        for number in add_adapters(db, "v1", "v2", "v3"):
            kind = "model" if number == 3 else "adapter"
            with store.write(f"{kind}s") as draft:
                if kind == "model":
                    save_file({"w": numpy.ones(4, numpy.float32)}, draft.path / "model.safetensors")
                    (draft.path / "config.json").write_text("{}")
                else:
                    save_adapter(draft.path, number)
            kept = {"folder": draft.folder, "hash": draft.hash, "kind": kind, **unscored()}
            db.execute(update(adapters).where(adapters.c.id == number).values(kept))
    return store


class Machine:
    """Runs models in a scripted engine, as `serving.engine.RunningEngine` does in a real one."""

    def __init__(self, fake: FakeEngine) -> None:
        self.fake = fake
        self.ran: list[str] = []  # names of folders, or "base"
        self.breaks = False
        self.is_mute = False
        self.meanwhile: Callable[[], None] = lambda: None

    def run(self, model: Path | None, given_up: threading.Event) -> None:
        self.meanwhile()
        self.ran.append(model.parent.name if model else BASE_NAME)
        self.fake.restart()
        if model and self.breaks:
            raise NotReachable("The engine did not start. Too little memory.", fix="Buy some.")
        self.fake.script = Script(tokens=() if model and self.is_mute else ("Hello", " there."))


@pytest.fixture
def machine(speak: Speak) -> Machine:
    return Machine(speak(Script()))


@pytest.fixture
def traffic() -> Traffic:
    return Traffic()


@pytest.fixture
def keeper(engine: Engine, artifacts: ArtifactStore, machine: Machine, traffic: Traffic) -> Keeper:
    """v1 is served."""
    made = Keeper(
        engine, artifacts, engine_url=machine.fake.url, base=fit.Base(name="tiny", max_rank=32),
        traffic=traffic, run=machine.run, drain=0.1, grace=0.0,
    )  # fmt: skip
    deployed(engine, "v1")
    made.look()
    assert made.served.called == "v1"
    return made


def test_a_promoted_model_runs_in_the_bases_place(
    engine: Engine, keeper: Keeper, machine: Machine
) -> None:
    third = deployed(engine, "v3")
    keeper.look()
    keeper.look()
    assert machine.ran == ["models"]
    assert keeper.model() == (BASE_NAME, "v3")
    assert keeper.names() == ["v3"]
    assert not machine.fake.adapters
    assert row(engine, third).loaded_at is not None
    assert row(engine, third).canary == "Hello there."


def test_a_rollback_brings_the_base_with_its_adapter_back(
    engine: Engine, keeper: Keeper, machine: Machine
) -> None:
    deployed(engine, "v3")
    keeper.look()
    with engine.begin() as db:
        back = deployments.rollback(db, by="U1", why="worse")
    keeper.look()
    assert machine.ran == ["models", BASE_NAME]
    assert keeper.served.called == "v1"
    assert list(machine.fake.adapters) == [keeper.served.name]
    assert row(engine, back).loaded_at is not None


def test_adapters_of_the_base_are_not_offered_beside_it_and_an_answer_says_why(
    engine: Engine, keeper: Keeper, machine: Machine, tmp_path: Path
) -> None:
    with engine.begin() as db:
        ways.put(db, "C1", Ways(adapter="v2"), by="U1")
    keeper.look()
    assert keeper.names() == ["v1", "v2"]
    deployed(engine, "v3")
    keeper.look()
    index = index_of([said("To deploy billing, run make ship.")], tmp_path)
    made = replace(assistant(index, machine.fake.url), model=keeper.model)
    for wanted in ("v2", BASE_NAME):
        *_, last = pulled(made.answer(Asked(question="how do we deploy billing", model=wanted)))
        assert last.answer is not None
        assert (last.answer.model, last.answer.level) == ("v3", Level.TUNED)
        assert f"{wanted} cannot be served beside v3" in last.answer.note
    deployed(engine, "v1")
    keeper.look()
    assert keeper.names() == ["v1", "v2"]


def test_meanwhile_answers_say_what_is_going_on(
    engine: Engine, keeper: Keeper, machine: Machine, traffic: Traffic
) -> None:
    asked = chat.Request(
        url=machine.fake.url, model=BASE_NAME, messages=[], max_tokens=9, patience=5.0
    )
    heard: list[str] = []

    def ask() -> None:
        with pytest.raises(chat.EngineFailed) as told:
            list(pulled(traffic.speak(asked)))
        heard.append(told.value.what)

    machine.meanwhile = ask
    deployed(engine, "v3")
    keeper.look()
    assert heard == ["The model is being changed to v3, and is back as soon as that has started."]
    assert "".join(pulled(traffic.speak(asked))) == "Hello there."


@pytest.mark.parametrize(
    ("fate", "why"), [("breaks", "little memory"), ("is_mute", "said nothing")]
)
def test_a_model_that_cannot_answer_gives_way_to_what_was_served(
    engine: Engine, keeper: Keeper, machine: Machine, traffic: Traffic, fate: str, why: str
) -> None:
    setattr(machine, fate, True)
    third = deployed(engine, "v3")
    keeper.look()
    assert machine.ran == ["models", BASE_NAME]
    assert keeper.served.called == "v1"
    assert keeper.served.name in machine.fake.adapters
    assert why in (row(engine, third).error or "")
    keeper.look()
    assert len(machine.ran) == 2  # it is not tried again
    with traffic.through("anybody"):
        pass


def test_a_damaged_model_is_refused_before_anything_is_stopped(
    engine: Engine, keeper: Keeper, machine: Machine, artifacts: ArtifactStore
) -> None:
    (weights,) = artifacts.root.rglob("model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    third = deployed(engine, "v3")
    keeper.look()
    assert machine.ran == []
    assert keeper.served.called == "v1"
    assert "model.safetensors" in (row(engine, third).error or "")


def test_what_is_asked_of_nobody_in_particular_stays_out_of_the_slots(
    engine: Engine, keeper: Keeper
) -> None:
    with reading(engine) as db:
        assert [each.name for each in deployments.to_hold(db)] == ["v1"]
        assert deployments.whole(db) is None
    deployed(engine, "v3")
    with reading(engine) as db:
        assert deployments.to_hold(db) == []
        whole = deployments.whole(db)
    assert whole is not None
    assert whole.name == "v3"


def test_the_engine_that_was_started_with_it_is_left_alone(
    engine: Engine, artifacts: ArtifactStore, machine: Machine
) -> None:
    deployed(engine, "v3")
    with reading(engine) as db:
        whole = deployments.whole(db)
    made = Keeper(
        engine, artifacts, engine_url=machine.fake.url, base=fit.Base(name="tiny", max_rank=32),
        traffic=Traffic(), run=machine.run, whole=whole, grace=0.0,
    )  # fmt: skip
    assert made.model() == (BASE_NAME, "v3")
    made.look()
    assert machine.ran == []
    assert made.served.deployment_id is not None
