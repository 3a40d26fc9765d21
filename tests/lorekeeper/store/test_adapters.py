"""What a run has made is kept under the next free name, with what kind of thing it is."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.exc import IntegrityError

from lorekeeper.domain import AdapterKind, Evaluation, Outcome, Verdict
from lorekeeper.store import adapters, reading
from lorekeeper.tables import adapters as table
from tests.lorekeeper.store.test_deployments import add_adapters, unscored

SCORES = Evaluation(questions=(), references=(), conversations=(), arms=(), precision="float32")
VERDICT = Verdict(outcome=Outcome.KEEP, reasons=())


def test_a_row_is_an_adapter_where_nobody_said_model(engine: Engine) -> None:
    with engine.begin() as db:
        (number,) = add_adapters(db, "v1")
        db.execute(update(table).values(**unscored()))
    with reading(engine) as db:
        assert adapters.get(db, number).kind is AdapterKind.ADAPTER


def test_a_whole_model_is_kept_as_one(engine: Engine) -> None:
    with engine.begin() as db:
        (number,) = add_adapters(db, "v1")
        db.execute(update(table).values(**unscored()))
        run, dataset = (
            getattr(adapters.get(db, number), name) for name in ("run_id", "dataset_id")
        )
        db.execute(table.delete())
        made = adapters.add(
            db, run_id=run, dataset_id=dataset, base_model="tiny", hash="h", folder="models/h",
            rank=0, evaluation=SCORES, verdict=VERDICT, kind=AdapterKind.MODEL,
        )  # fmt: skip
        assert adapters.by_name(db, made.name).kind is AdapterKind.MODEL


def test_anything_else_is_refused_by_the_database(engine: Engine) -> None:
    with engine.begin() as db:
        add_adapters(db, "v1")
    with pytest.raises(IntegrityError), engine.begin() as db:
        db.execute(update(table).values(kind="poem"))
