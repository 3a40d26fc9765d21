"""What is served since when: the newest row is current, a rollback is one more row."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine, insert, update

from lorekeeper.domain import Evaluation, Outcome, Verdict, Ways
from lorekeeper.errors import NotFound
from lorekeeper.store import deployments, reading, ways
from lorekeeper.store.rows import plain
from lorekeeper.tables import adapters, datasets, runs


def add_adapters(db: Connection, *names: str) -> list[int]:
    """Rows of adapters as a finished run leaves them; only what deployments read is real."""
    dataset = add_dataset(db)
    return [_add_adapter(db, dataset, name) for name in names]


def add_dataset(db: Connection) -> int:
    return db.execute(
        insert(datasets)
        .values(name="d1", hash="h", folder="f", train=1, heldout=1, created_by="U1", created_at=1)
        .returning(datasets.c.id)
    ).scalar_one()


def _add_adapter(db: Connection, dataset: int, name: str) -> int:
    run = db.execute(
        insert(runs)
        .values(
            dataset_id=dataset,
            recipe="qlora",
            options={},
            base_model="tiny",
            state="done",
            requested_by="U1",
            requested_at=1,
            progress={},
        )
        .returning(runs.c.id)
    ).scalar_one()
    return db.execute(
        insert(adapters)
        .values(
            name=name,
            run_id=run,
            dataset_id=dataset,
            base_model="tiny",
            hash=name * 8,
            folder=f"adapters/{name}",
            rank=8,
            evaluation={},
            verdict={},
            created_at=1,
        )
        .returning(adapters.c.id)
    ).scalar_one()


def unscored() -> dict[str, object]:
    """The columns of an adapter that was never judged."""
    scores = Evaluation(questions=(), references=(), conversations=(), arms=(), precision="float32")
    return {
        "evaluation": plain(scores),
        "verdict": plain(Verdict(outcome=Outcome.KEEP, reasons=())),
    }


def test_nothing_is_current_before_the_first_deployment(engine: Engine) -> None:
    with reading(engine) as db:
        assert deployments.current(db) is None
        assert deployments.history(db) == []


def test_the_newest_deployment_is_current_and_names_its_adapter(engine: Engine) -> None:
    with engine.begin() as db:
        v1, v2 = add_adapters(db, "v1", "v2")
        deployments.deploy(db, adapter_id=v1, by="gate", why="better")
        made = deployments.deploy(db, adapter_id=v2, by="U7", why="I looked at it")
    with reading(engine) as db:
        now = deployments.current(db)
        assert now == made
        assert now is not None
        assert (now.adapter, now.by, now.why) == ("v2", "U7", "I looked at it")
        assert now.loaded_at is None
        assert [row.adapter for row in deployments.history(db)] == ["v2", "v1"]
        assert [row.adapter for row in deployments.history(db, limit=1)] == ["v2"]


def test_an_unknown_adapter_is_not_deployed(engine: Engine) -> None:
    with engine.begin() as db, pytest.raises(NotFound, match="no adapter 99"):
        deployments.deploy(db, adapter_id=99, by="U1", why="")


def test_the_base_model_can_be_deployed(engine: Engine) -> None:
    with engine.begin() as db:
        assert deployments.deploy(db, adapter_id=None, by="U1", why="calm").adapter == "base"


def test_rolling_back_twice_goes_back_two_steps(engine: Engine) -> None:
    with engine.begin() as db:
        v1, v2 = add_adapters(db, "v1", "v2")
        for adapter in (v1, v2):
            deployments.deploy(db, adapter_id=adapter, by="gate", why="better")
        assert deployments.rollback(db, by="U1", why="worse").adapter == "v1"
        assert deployments.rollback(db, by="U1", why="worse still").adapter == "base"
        with pytest.raises(NotFound, match="nothing to go back to"):
            deployments.rollback(db, by="U1", why="again")
        assert len(deployments.history(db)) == 4


def test_a_promotion_after_a_rollback_can_be_rolled_back(engine: Engine) -> None:
    with engine.begin() as db:
        v1, v2, v3 = add_adapters(db, "v1", "v2", "v3")
        for adapter in (v1, v2):
            deployments.deploy(db, adapter_id=adapter, by="gate", why="better")
        deployments.rollback(db, by="U1", why="worse")
        deployments.deploy(db, adapter_id=v3, by="gate", why="better")
        assert deployments.rollback(db, by="U1", why="worse").adapter == "v1"


def test_nothing_goes_back_to_what_could_not_be_loaded(engine: Engine) -> None:
    with engine.begin() as db:
        v1, v2, v3 = add_adapters(db, "v1", "v2", "v3")
        deployments.deploy(db, adapter_id=v1, by="gate", why="better")
        broken = deployments.deploy(db, adapter_id=v2, by="gate", why="better")
        deployments.failed(db, broken.id, "rank 64 is above the engine's limit")
        deployments.deploy(db, adapter_id=v3, by="gate", why="better")
        assert deployments.rollback(db, by="U1", why="worse").adapter == "v1"


def test_rolling_back_from_what_could_not_be_loaded_returns_to_what_is_served(
    engine: Engine,
) -> None:
    with engine.begin() as db:
        v1, v2 = add_adapters(db, "v1", "v2")
        deployments.deploy(db, adapter_id=v1, by="gate", why="better")
        broken = deployments.deploy(db, adapter_id=v2, by="gate", why="better")
        deployments.failed(db, broken.id, "no")
        assert deployments.rollback(db, by="U1", why="broken").adapter == "v1"


def test_rollback_without_any_deployment_says_so(engine: Engine) -> None:
    with engine.begin() as db, pytest.raises(NotFound):
        deployments.rollback(db, by="U1", why="")


def test_loading_is_marked_and_clears_an_earlier_error(engine: Engine) -> None:
    with engine.begin() as db:
        made = deployments.deploy(db, adapter_id=None, by="U1", why="")
        assert deployments.failed(db, made.id, "engine is down").error == "engine is down"
        again = deployments.loaded(db, made.id)
    assert again.error is None
    assert again.loaded_at is not None


def test_marking_an_unknown_deployment_says_so(engine: Engine) -> None:
    with engine.begin() as db, pytest.raises(NotFound, match="no deployment 5"):
        deployments.loaded(db, 5)


def held(engine: Engine) -> list[str]:
    with reading(engine) as db:
        return [adapter.name for adapter in deployments.to_hold(db)]


def test_the_engine_holds_what_serves_what_channels_chose_and_the_candidate(engine: Engine) -> None:
    with engine.begin() as db:
        v1, _, _, v4 = add_adapters(db, "v1", "v2", "v3", "v4")
        db.execute(update(adapters).values(unscored()))
        deployments.deploy(db, adapter_id=v1, by="U1", why="first")
        ways.put(db, "C1", Ways(adapter="v2"), by="U1")
    assert held(engine) == ["v1", "v2", "v4"]
    with engine.begin() as db:
        refused = deployments.deploy(db, adapter_id=v4, by="U1", why="newer")
        deployments.failed(db, refused.id, "It is damaged.")
    assert held(engine) == ["v1", "v2"]
