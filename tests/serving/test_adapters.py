"""What is deployed is what answers; until it is loaded, and when it cannot be, what answered before goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Deployment
from lorekeeper.errors import NotFound
from lorekeeper.store import deployments, reading
from lorekeeper.tables import adapters
from serving.adapters import Keeper, promote
from serving.fake_engine import FakeEngine, Script
from tests.lorekeeper.store.test_deployments import add_adapters
from tests.serving.conftest import unscored

Speak = Callable[[Script], FakeEngine]


@pytest.fixture
def artifacts(engine: Engine, tmp_path: Path) -> ArtifactStore:
    """Two adapters, v1 and v2, whose folders are there."""
    store = ArtifactStore(tmp_path / "artifacts")
    with engine.begin() as db:
        for number in add_adapters(db, "v1", "v2"):
            with store.write("adapters") as draft:
                (draft.path / "weights").write_text(str(number))
            row = {"folder": draft.folder, "hash": draft.hash, **unscored()}
            db.execute(update(adapters).where(adapters.c.id == number).values(row))
    return store


def keeper(engine: Engine, artifacts: ArtifactStore, url: str, base: str = "tiny") -> Keeper:
    return Keeper(engine, artifacts, engine_url=url, base_model=base)


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
    second = deployed(engine, "v2")
    made.look()
    assert made.served.called == "v1"
    assert "v2" in (row(engine, second).error or "")
    fake.script = Script()
    fake.restart()
    made.look()
    assert list(fake.adapters) == [made.served.name]  # v1, again
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
    assert list(fake.adapters) == [made.served.name]


def test_the_base_can_be_promoted_and_an_unknown_name_cannot(
    engine: Engine, artifacts: ArtifactStore
) -> None:
    assert deployed(engine, "base").adapter_id is None
    with pytest.raises(NotFound, match="v9"):
        deployed(engine, "v9")
