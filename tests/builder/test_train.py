"""Whole runs on a tiny model: every recipe, a resumed one, a cancelled one, a full disk."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sqlalchemy import Engine

from builder import recipes, train
from builder.guards import forgetting
from builder.retrain import request
from builder.watch import COMPLETE, last_checkpoint
from lorekeeper import settings as config
from lorekeeper.domain import AdapterKind, Arm, Run, RunState, Verdict
from lorekeeper.errors import Cancelled, LeaseLost, NoSpace
from lorekeeper.store import adapters, deployments, reading, runs

# What a recipe cannot do without, where there are no documents and two layers.
NAMED = {
    "task": {"task": "answer"},
    "sequential": {"stages": ["general", "answer"]},
    "upper": {"upper_layers": 1},
}
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
    return tiny.claimed(engine)


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


def test_a_model_is_trained_compared_served_and_compared_with_next(
    engine: Engine, rules: config.Settings
) -> None:
    """Upper layers alone change; the next run's adapter is judged against the model that serves."""
    asked = claimed(engine, rules, "upper", upper_layers=1)
    first = train.run(engine, rules, asked.id, "worker")
    _finish(engine, asked)
    folder, base = rules.store.data / first.folder, Path(rules.models.base)
    before, after = (load_file(str(place / "model.safetensors")) for place in (base, folder))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith(("model.layers.1.", "model.norm.")) for name in changed)
    assert (first.kind, first.rank) == (AdapterKind.MODEL, 0)
    base_loss, tuned_loss = (first.evaluation.arm(arm).nll for arm in (Arm.BASE, Arm.TUNED))
    assert base_loss != tuned_loss
    with engine.begin() as db:
        deployments.deploy(db, adapter_id=first.id, by="me", why="to serve a model")
    tiny.approve(engine, 24, start=24)
    run = claimed(engine, rules, "lora")
    second = train.run(engine, rules, run.id, "worker")
    assert second.kind is AdapterKind.ADAPTER
    assert any("the adapter that is served now" in why for why in second.verdict.reasons)
    _finish(engine, run)
    with engine.begin() as db:
        deployments.deploy(db, adapter_id=second.id, by="me", why="to serve an adapter")
    tiny.approve(engine, 24, start=48)
    third = train.run(engine, rules, claimed(engine, rules, "full").id, "worker")
    assert any("the adapter that is served now" in why for why in third.verdict.reasons)
    assert third.kind is AdapterKind.MODEL


def test_an_adapter_with_dora_is_merged_and_served_as_a_model(
    engine: Engine, rules: config.Settings
) -> None:
    run = claimed(engine, rules, "lora", dora=True, merged=True, rank=3)
    made = train.run(engine, rules, run.id, "worker")
    assert made.kind is AdapterKind.MODEL
    assert made.evaluation.arm(Arm.BASE).nll != made.evaluation.arm(Arm.TUNED).nll


def test_what_serves_is_no_rival_once_its_base_has_changed(
    engine: Engine, rules: config.Settings, base: Path, tmp_path: Path
) -> None:
    shutil.copytree(base, tmp_path / "base")
    rules = rules.model_copy(update={"models": config.Models(base=str(tmp_path / "base"))})
    run = claimed(engine, rules, "lora")
    first = train.run(engine, rules, run.id, "worker")
    _finish(engine, run)
    with engine.begin() as db:
        deployments.deploy(db, adapter_id=first.id, by="me", why="")
    file = tmp_path / "base" / "model.safetensors"
    weights = load_file(str(file))
    save_file({name: value * 1.01 for name, value in weights.items()}, str(file), {"format": "pt"})
    tiny.approve(engine, 24, start=24)
    second = train.run(engine, rules, claimed(engine, rules, "lora").id, "worker")
    assert not any("is served now" in why for why in second.verdict.reasons)


def _finish(engine: Engine, run: Run) -> None:
    with engine.begin() as db:
        runs.finish(db, run.id, "worker", RunState.DONE)
