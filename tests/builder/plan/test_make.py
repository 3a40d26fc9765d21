"""A plan on a tiny model: what it counts, that it is stored before training, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from sqlalchemy import Engine

from builder import train
from builder.plan import make
from builder.plan.told import told
from builder.retrain import request
from lorekeeper import hardware
from lorekeeper import settings as config
from lorekeeper.domain import Goal, Plan, Run
from lorekeeper.errors import BadInput, Cancelled
from lorekeeper.store import reading, runs

QUICK = {"epochs": 1, "rank": 4, "batch_size": 4, "accumulation": 1, "quantization": "none"}


@pytest.fixture
def rules(data: Path, base: Path, engine: Engine) -> config.Settings:
    tiny.approve(engine, 24)
    return tiny.settings(data, base, generated_answers=0, probe=True)


def claimed(engine: Engine, rules: config.Settings, **options: object) -> Run:
    request(engine, rules, by="me", options=QUICK | options, goal=Goal.PLAN)
    return tiny.claimed(engine)


def planned(engine: Engine, rules: config.Settings, run: Run) -> Plan:
    train.reach(engine, rules, run.id, "worker")
    with reading(engine) as db:
        plan = runs.get(db, run.id).plan
    assert plan is not None
    return plan


def test_a_plan_says_what_the_run_takes_once_and_trains_nothing(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = claimed(engine, rules, max_tokens=400, learning_rate=1e-4, with_passages=0.5)
    plan = planned(engine, rules, run)
    assert plan.rows + plan.left_out == 19
    assert 0 < len(plan.left_out_why) <= plan.left_out
    assert "max_tokens is 400" in plan.left_out_why[0]
    assert plan.lengths[-1] <= 400
    assert plan.steps == -(-plan.rows // 4)
    assert set(plan.memory) >= {"weights", "adapter", "gradients", "optimiser", "activations"}
    assert {"training", "checkpoints", "scoring", "loading"} <= set(plan.seconds)
    assert all(seconds >= 0 for seconds in plan.seconds.values())
    assert plan.probed > 0
    assert [line.partition("=")[0] for line in plan.chosen] == ["alpha"]
    names = [name for name, _ in told(plan)]
    assert names == ["Time", "Memory", "Disk", "Rows", "Steps", "Left out", "Chosen"]
    work = rules.store.data / "runs" / str(run.id)
    assert not list(work.glob(".probe-*"))
    assert not (work / "adapter").exists()
    monkeypatch.setattr(make.probe, "train", lambda *_: 1 / 0)
    assert planned(engine, rules, run) == plan


def test_a_run_that_does_not_fit_is_refused_before_a_weight_is_loaded(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = claimed(engine, rules)
    monkeypatch.setattr(hardware, "free_memory", lambda: 2**20)
    monkeypatch.setattr(make.probe, "train", lambda *_: 1 / 0)
    with pytest.raises(BadInput, match="1 MB are free"):
        train.reach(engine, rules, run.id, "worker")


def test_memory_that_runs_out_in_the_probe_ends_in_words(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    run = claimed(engine, rules)
    monkeypatch.setattr(make.probe, "train", full)
    with pytest.raises(BadInput, match="Memory ran out while a few steps"):
        train.reach(engine, rules, run.id, "worker")


def test_a_plan_can_be_cancelled(engine: Engine, rules: config.Settings) -> None:
    run = claimed(engine, rules)
    with engine.begin() as db:
        runs.request_cancel(db, run.id, "U9")
    with pytest.raises(Cancelled, match="U9"):
        train.reach(engine, rules, run.id, "worker")
