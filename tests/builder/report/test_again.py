"""A run that is repeated makes the same adapter, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from sqlalchemy import Engine

from builder import train
from builder.report import evidence
from builder.retrain import again, request
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Adapter, RunState
from lorekeeper.settings import Settings
from lorekeeper.store import runs

WEIGHTS = "adapter_model.safetensors"


def worked(engine: Engine, rules: Settings) -> Adapter:
    with engine.begin() as db:
        run = runs.claim(db, "worker")
    assert run is not None
    adapter = train.run(engine, rules, run.id, "worker")
    with engine.begin() as db:
        runs.finish(db, run.id, "worker", RunState.DONE, adapter_id=adapter.id)
    return adapter


@pytest.mark.timeout(900)  # two whole runs, also on a loaded machine
def test_the_same_run_makes_the_same_adapter_and_its_report_says_how(
    engine: Engine, data: Path, base: Path
) -> None:
    tiny.approve(engine, 24)
    rules = tiny.settings(data, base)
    options = {"epochs": 1, "rank": 4, "learning_rate": 0.01}
    first = request(engine, rules, by="me", options=options)
    one = worked(engine, rules)
    again(engine, rules, first.id, by="you")
    other = worked(engine, rules)
    store = ArtifactStore(data)
    weights = [store.manifest(made.folder)["files"][WEIGHTS]["sha256"] for made in (one, other)]
    assert weights[0] == weights[1]
    told = evidence.of(one, store)
    assert f"lore train --again {first.id}" in (store.open(one.folder) / "card.md").read_text()
    assert len(told.places) == len(one.evaluation.questions)
    assert told.training
    assert {"training", "steps", "rows"} <= told.real.keys()
    assert set(told.planned) == {"whole", "training", "steps", "rows", "memory"}
