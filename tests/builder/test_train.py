"""Whole runs on a tiny model: every recipe, a resumed one, a cancelled one, a full disk."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import tiny
from safetensors import SafetensorError
from sqlalchemy import Engine

from builder import recipes, train
from builder.guards import forgetting
from builder.retrain import request
from builder.watch import COMPLETE, last_checkpoint
from lorekeeper import settings as config
from lorekeeper.domain import AdapterKind, Arm, Run, Verdict
from lorekeeper.errors import Cancelled, LeaseLost, NoSpace
from lorekeeper.store import adapters, deployments, reading, runs

# What a recipe cannot do without, where there are no documents.
NAMED = {"task": {"task": "answer"}, "sequential": {"stages": ["general", "answer"]}}
QUICK = {"epochs": 1, "rank": 4, "checkpoint_steps": 1, "learning_rate": 0.01}
PARTS = {"adapter_config.json", "adapter_model.safetensors"}
WHOLE = {
    "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
    "tokenizer_config.json", "chat_template.jinja",
}  # fmt: skip


@pytest.fixture
def rules(data: Path, base: Path, engine: Engine) -> config.Settings:
    tiny.approve(engine, 24)
    return tiny.settings(data, base)


def claimed(
    engine: Engine, rules: config.Settings, recipe: str = "qlora", **options: object
) -> Run:
    request(engine, rules, by="me", recipe=recipe, options=QUICK | options)
    with engine.begin() as db:
        run = runs.claim(db, "worker")
    assert run is not None
    return run


# Feedback moves an adapter that is there already; tests/builder/preference has its runs.
ALONE = [name for name, one in recipes.names().items() if one.way != "feedback"]


@pytest.mark.parametrize("recipe", sorted(ALONE))
def test_every_recipe_trains_and_is_compared(
    engine: Engine, rules: config.Settings, recipe: str
) -> None:
    run = claimed(engine, rules, recipe, **NAMED.get(recipe, {}))
    adapter = train.run(engine, rules, run.id, "worker")
    assert {score.arm for score in adapter.evaluation.arms} == set(Arm)
    assert {probe.kind for probe in adapter.evaluation.probes} == set(forgetting.KINDS)
    folder = rules.store.data / adapter.folder
    told = {"card.md", "manifest.json", "report.html", "report.json"}
    weights = WHOLE if adapter.kind is AdapterKind.MODEL else PARTS
    assert {path.name for path in folder.iterdir()} == told | weights
    assert "Adapter card" in (folder / "card.md").read_text()


def test_a_cancelled_run_stops_and_registers_nothing(
    engine: Engine, rules: config.Settings
) -> None:
    run = claimed(engine, rules)
    with engine.begin() as db:
        runs.request_cancel(db, run.id, "U9")
    with pytest.raises(Cancelled, match="U9"):
        train.run(engine, rules, run.id, "worker")
    with reading(engine) as db:
        assert not adapters.all(db)


def test_a_run_that_belongs_to_another_worker_is_left_alone(
    engine: Engine, rules: config.Settings
) -> None:
    run = claimed(engine, rules)
    with pytest.raises(LeaseLost):
        train.run(engine, rules, run.id, "somebody else")


def test_a_full_disk_leaves_nothing_half_done(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = claimed(engine, rules)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(train.candidate, "copy", full)
    with pytest.raises(NoSpace, match="is full"):
        train.run(engine, rules, run.id, "worker")
    assert not list((rules.store.data / "adapters").iterdir())
    with reading(engine) as db:
        assert not adapters.all(db)
        assert deployments.current(db) is None


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_during_training_is_said(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    run = claimed(engine, rules)

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(train, "WAYS", {"instruction": full})
    with pytest.raises(NoSpace, match="is full"):
        train.run(engine, rules, run.id, "worker")


def test_a_run_whose_worker_died_before_its_last_word_keeps_its_adapter(
    engine: Engine, rules: config.Settings
) -> None:
    run = claimed(engine, rules)
    made = train.run(engine, rules, run.id, "worker")
    _give_to(engine, "second")
    assert train.run(engine, rules, run.id, "second") == made


def test_a_process_that_lost_its_run_registers_nothing(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, judge = claimed(engine, rules), train.gate.judge

    def lose_then_judge(*values: Any, **named: Any) -> Verdict:
        _give_to(engine, "second")
        return judge(*values, **named)

    monkeypatch.setattr(train.gate, "judge", lose_then_judge)
    with pytest.raises(LeaseLost):
        train.run(engine, rules, run.id, "worker")
    with reading(engine) as db:
        assert not adapters.all(db)
        assert deployments.current(db) is None


def _give_to(engine: Engine, worker: str) -> None:
    """As when the first worker fell silent: its run is taken back and claimed by another."""
    with engine.begin() as db:
        assert runs.reap(db, -1.0)
        assert runs.claim(db, worker)


def test_what_was_trained_is_not_trained_again(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = claimed(engine, rules)
    with monkeypatch.context() as patch:
        patch.setattr(train.evaluate, "evaluate", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train.run(engine, rules, run.id, "worker")
    metrics = rules.store.data / "runs" / str(run.id) / "metrics.jsonl"
    steps = metrics.read_text()
    assert train.run(engine, rules, run.id, "worker").name == "v1"
    assert metrics.read_text() == steps


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    for step in (2, 10, 12):
        (tmp_path / f"checkpoint-{step}").mkdir()
    for step in (2, 10):
        (tmp_path / f"checkpoint-{step}" / COMPLETE).touch()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


def test_metrics_are_written_for_every_step(engine: Engine, rules: config.Settings) -> None:
    run = claimed(engine, rules)
    train.run(engine, rules, run.id, "worker")
    lines = (rules.store.data / "runs" / str(run.id) / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line) for line in lines if "loss" in json.loads(line)]
    assert [entry["step"] for entry in losses if "grad_norm" in entry] == list(
        range(1, len(losses) + 1)
    )[: len([e for e in losses if "grad_norm" in e])]
