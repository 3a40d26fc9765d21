"""What is deployed is what answers; until it is loaded, and when it cannot be, what answered before goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from bench.rig.pulled import pulled
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Deployment, Ways
from lorekeeper.errors import NotFound
from lorekeeper.promotion import promote
from lorekeeper.store import adapters as kept
from lorekeeper.store import deployments, reading, ways
from lorekeeper.tables import adapters
from serving import chat, fit
from serving.adapters import Keeper, engine_name
from serving.fake_engine import FakeEngine, Script
from serving.traffic import Traffic
from tests.lorekeeper.store.test_deployments import add_adapters, unscored
from tests.serving.conftest import save_adapter

Speak = Callable[[Script], FakeEngine]


@pytest.fixture
def artifacts(engine: Engine, tmp_path: Path) -> ArtifactStore:
    """Two adapters, v1 and v2, whose folders are there."""
    store = ArtifactStore(tmp_path / "artifacts")
    with engine.begin() as db:
        for number in add_adapters(db, "v1", "v2"):
            with store.write("adapters") as draft:
                save_adapter(draft.path, number)
            row = {"folder": draft.folder, "hash": draft.hash, **unscored()}
            db.execute(update(adapters).where(adapters.c.id == number).values(row))
    return store


def keeper(
    engine: Engine,
    artifacts: ArtifactStore,
    url: str,
    base: str = "tiny",
    traffic: Traffic | None = None,
) -> Keeper:
    return Keeper(
        engine,
        artifacts,
        engine_url=url,
        base=fit.Base(name=base, max_rank=32),
        traffic=traffic or Traffic(),
        grace=0.0,
    )


def deployed(engine: Engine, name: str) -> Deployment:
    with engine.begin() as db:
        return promote(db, name, by="U1", why="because")


def row(engine: Engine, deployment: Deployment) -> Deployment:
    with reading(engine) as db:
        return deployments.get(db, deployment.id)


def test_the_base_answers_where_nothing_was_deployed(
    engine: Engine, artifacts: ArtifactStore, speak: Speak
) -> None:
    made = keeper(engine, artifacts, speak(Script()).url)
    made.look()
    assert made.model() == ("base", "base")


def test_a_promoted_adapter_is_loaded_and_the_one_before_unloaded(
    engine: Engine, artifacts: ArtifactStore, speak: Speak
) -> None:
    fake = speak(Script())
    made = keeper(engine, artifacts, fake.url)
    deployed(engine, "v1")
    made.look()
    assert made.served.called == "v1"
    second = deployed(engine, "v2")
    made.look()
    assert made.served.called == "v2"
    assert list(fake.adapters) == [made.served.name]
    assert made.served.name.startswith("v2-")
    assert row(engine, second).loaded_at is not None
    assert row(engine, second).canary == "Hello there."
    with engine.begin() as db:
        deployments.rollback(db, by="U1", why="worse")
    made.look()
    assert made.served.called == "v1"


def test_what_the_engine_refuses_is_recorded_and_the_one_before_goes_on(
    engine: Engine, artifacts: ArtifactStore, speak: Speak
) -> None:
    fake = speak(Script())
    made = keeper(engine, artifacts, fake.url)
    deployed(engine, "v1")
    made.look()
    fake.script = Script(refuses_adapters=True)
    del fake.adapters[made.model("v2")[0]]  # the candidate, loaded beside
    second = deployed(engine, "v2")
    made.look()
    assert made.served.called == "v1"
    assert "v2" in (row(engine, second).error or "")
    fake.script = Script()
    fake.restart()
    made.look()
    assert made.served.name in fake.adapters  # v1, again
    assert made.served.called == "v1"


def test_an_adapter_of_another_base_is_refused_in_words(
    engine: Engine, artifacts: ArtifactStore, speak: Speak
) -> None:
    made = keeper(engine, artifacts, speak(Script()).url, base="another")
    first = deployed(engine, "v1")
    made.look()
    assert made.served.called == "base"
    assert "was trained on tiny, and another is served" in (row(engine, first).error or "")


def test_an_engine_that_is_away_is_waited_for(
    engine: Engine, artifacts: ArtifactStore, speak: Speak
) -> None:
    made = keeper(engine, artifacts, "http://127.0.0.1:9")
    first = deployed(engine, "v1")
    made.look()
    assert row(engine, first).error is None
    made._url = speak(Script()).url
    made.look()
    assert made.served.called == "v1"


def test_an_engine_that_was_started_again_gets_the_adapter_again(
    engine: Engine, artifacts: ArtifactStore, speak: Speak
) -> None:
    fake = speak(Script())
    made = keeper(engine, artifacts, fake.url)
    deployed(engine, "v1")
    made.look()
    fake.restart()
    made.look()
    assert made.served.name in fake.adapters


def test_the_base_can_be_promoted_and_an_unknown_name_cannot(
    engine: Engine, artifacts: ArtifactStore
) -> None:
    assert deployed(engine, "base").adapter_id is None
    with pytest.raises(NotFound, match="v9"):
        deployed(engine, "v9")


def test_an_adapter_that_says_nothing_is_not_promoted(
    engine: Engine, artifacts: ArtifactStore, speak: Speak
) -> None:
    with reading(engine) as db:
        name = engine_name(kept.by_name(db, "v2"))
    fake = speak(Script(spoken_by={name: ()}))
    made = keeper(engine, artifacts, fake.url)
    deployed(engine, "v1")
    made.look()
    assert made.names() == ["v1"]  # it is no candidate, either
    second = deployed(engine, "v2")
    made.look()
    assert made.served.called == "v1"
    assert "did not answer a first question: it said nothing" in (row(engine, second).error or "")
    made.look()
    assert list(fake.adapters) == [made.served.name]


def test_an_answer_that_began_by_the_old_adapter_ends_by_it(
    engine: Engine, artifacts: ArtifactStore, speak: Speak
) -> None:
    fake = speak(Script())
    traffic = Traffic()
    made = keeper(engine, artifacts, fake.url, traffic=traffic)
    deployed(engine, "v1")
    made.look()
    old = made.served.name
    asked = chat.Request(url=fake.url, model=old, messages=[], max_tokens=9, patience=5.0)
    answer = pulled(traffic.speak(asked))
    said = [next(answer)]
    deployed(engine, "v2")
    made.look()
    made.look()
    assert made.served.called == "v2"
    assert set(fake.adapters) == {old, made.served.name}
    assert "".join([*said, *answer]) == "Hello there."
    made.look()
    assert list(fake.adapters) == [made.served.name]


def test_the_candidate_and_a_channels_own_adapter_are_found_by_name(
    engine: Engine, artifacts: ArtifactStore, speak: Speak
) -> None:
    fake = speak(Script())
    made = keeper(engine, artifacts, fake.url)
    made.look()
    assert made.names() == ["v2"]  # the newest, about which nobody has decided
    with engine.begin() as db:
        ways.put(db, "C1", Ways(adapter="v1"), by="U1")
    made.look()
    assert made.names() == ["v1", "v2"]
    name, called = made.model("v1")
    assert called == "v1"
    assert name in fake.adapters
    deployed(engine, "v2")
    with engine.begin() as db:
        ways.put(db, "C1", Ways(), by="U1")
    made.look()
    made.look()
    assert made.names() == ["v2"]
    assert made.model("v2") == made.model()
    assert list(fake.adapters) == [made.served.name]


def test_a_candidate_that_cannot_be_loaded_is_tried_once(
    engine: Engine, artifacts: ArtifactStore, speak: Speak
) -> None:
    fake = speak(Script(refuses_adapters=True))
    made = keeper(engine, artifacts, fake.url)
    made.look()
    fake.script = Script()
    made.look()
    assert made.names() == []


def test_an_engine_that_sleeps_is_given_nothing_until_it_wakes(
    engine: Engine, artifacts: ArtifactStore, speak: Speak
) -> None:
    fake = speak(Script())
    traffic = Traffic()
    made = keeper(engine, artifacts, fake.url, traffic=traffic)
    traffic.close("test", lambda: "It makes room.")
    first = deployed(engine, "v1")
    made.look()
    assert not fake.adapters
    assert row(engine, first).error is None
    traffic.open("test")
    made.look()
    assert made.served.called == "v1"
