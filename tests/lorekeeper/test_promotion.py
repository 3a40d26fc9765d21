"""Who decides what is served says why where the gate said otherwise, and the record keeps both."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, insert

from lorekeeper import promotion, tables
from lorekeeper.domain import Adapter, Evaluation, Outcome, Verdict
from lorekeeper.errors import BadInput, NotFound
from lorekeeper.store import adapters, datasets, deployments, reading, runs

EVALUATION = Evaluation(questions=(), references=(), conversations=(), arms=(), precision="float32")


def made(engine: Engine, outcome: Outcome) -> Adapter:
    with engine.begin() as db:
        if datasets.latest(db) is None:
            row = {"name": "d1", "hash": "h", "folder": "f", "train": 1, "heldout": 1}
            db.execute(insert(tables.datasets).values(**row, created_by="U1", created_at=1))
        version = datasets.latest(db)
        assert version is not None
        run = runs.queue(
            db, dataset_id=version.id, recipe="qlora", options={}, base_model="m",
            requested_by="U1", channel="C1",
        )  # fmt: skip
        runs.shows(db, run.id, runs.SHOWN_TO_THE_END)
        return adapters.add(
            db, run_id=run.id, dataset_id=version.id, base_model="m", hash="a", folder="a", rank=8,
            evaluation=EVALUATION, verdict=Verdict(outcome=outcome, reasons=("p = 0.40.",)),
        )  # fmt: skip


@pytest.mark.parametrize("outcome", [Outcome.KEEP, Outcome.UNDECIDED])
def test_against_the_gate_a_reason_is_needed_and_kept(engine: Engine, outcome: Outcome) -> None:
    made(engine, outcome)
    with engine.begin() as db:
        with pytest.raises(BadInput, match=f"said {outcome.value} to v1: p = 0.40."):
            promotion.promote(db, "v1", by="ada", why="")
        assert deployments.current(db) is None
        deployed = promotion.promote(db, "v1", by="ada", why="we know better")
    assert deployed.by == "ada"
    assert deployed.why == f"against the gate, which had said {outcome.value}: we know better"


def test_with_the_gate_no_reason_is_needed(engine: Engine) -> None:
    made(engine, Outcome.PROMOTE)
    with engine.begin() as db:
        assert "as the gate had said" in promotion.promote(db, "v1", by="ada", why="").why


def test_the_base_model_is_an_adapter_like_any_other_to_the_one_who_decides(engine: Engine) -> None:
    made(engine, Outcome.PROMOTE)
    with engine.begin() as db:
        promotion.promote(db, "v1", by="ada", why="")
        assert promotion.promote(db, "base", by="ada", why="it drifted").adapter == "base"


def test_an_unknown_adapter_is_named(engine: Engine) -> None:
    with engine.begin() as db, pytest.raises(NotFound, match="'v9'"):
        promotion.promote(db, "v9", by="ada", why="because")


def test_the_messages_of_both_runs_are_drawn_again(engine: Engine) -> None:
    first, second = made(engine, Outcome.PROMOTE), made(engine, Outcome.PROMOTE)
    with engine.begin() as db:
        promotion.promote(db, first.name, by="ada", why="")
        for one in (first, second):
            runs.shows(db, one.run_id, runs.SHOWN_TO_THE_END)
        promotion.promote(db, second.name, by="ada", why="")
    with reading(engine) as db:
        behind = [run.id for run, _ in runs.to_show(db)]
    assert behind == [first.run_id, second.run_id]
