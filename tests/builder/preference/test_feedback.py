"""Tuning from feedback on a tiny model: it moves towards what people prefer, goes on, and is refused clearly."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from builder import fit, preference, recipes, train
from builder.dataset import Row
from builder.freeze import freeze
from builder.job import Job
from builder.plan import make
from builder.preference import encoded
from builder.preference.rows import FEWEST
from builder.retrain import request
from builder.watch import last_checkpoint
from lorekeeper import settings as config
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import (
    PUBLIC,
    Adapter,
    Answer,
    Arm,
    Channel,
    Evaluation,
    Level,
    Outcome,
    Plan,
    Progress,
    Run,
    RunState,
    Verdict,
)
from lorekeeper.errors import BadInput, Cancelled
from lorekeeper.store import adapters, answers, feedback, messages, reading, runs
from tests.lorekeeper.store.test_deployments import add_dataset

sys.path.insert(0, str(Path(__file__).parents[1]))
import tiny

QUICK = {
    "quantization": "none", "learning_rate": 0.01, "epochs": 4, "batch_size": 4, "accumulation": 1,
    "checkpoint_steps": 2, "with_passages": 0.5, "dropout": 0.0,
}  # fmt: skip


class Shelf:
    """A library without a book."""

    train: tuple[Row, ...] = ()

    def passages(self, question: str, *, conversation: str, shown: str = "") -> list[Any]:
        return []

    def examples(self, question: str, count: int) -> list[Any]:
        return []


@pytest.fixture
def rules(data: Path, base: Path) -> config.Settings:
    return tiny.settings(data, base)


@pytest.fixture
def start(engine: Engine, rules: config.Settings, base: Path, tmp_path: Path) -> Adapter:
    """A registered adapter that changes answers a little."""
    import torch

    recipe = recipes.load("lora", {"rank": 4, "alpha": 4})
    model = fit.load(base, recipe)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.normal_(std=0.01)
    folder = fit.save(model, tmp_path)
    with ArtifactStore(rules.store.data).write("adapters") as draft:
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(folder / name, draft.path / name)
    tiny.approve(engine, 24)
    version = freeze(engine, rules, by="U1")
    with engine.begin() as db:
        run = _claimed(db, str(base), version.id)
        return adapters.add(
            db, run_id=run.id, dataset_id=run.dataset_id, base_model=str(base), hash=draft.hash,
            folder=draft.folder, rank=4, verdict=Verdict(outcome=Outcome.KEEP, reasons=()),
            evaluation=Evaluation(questions=(), references=(), conversations=(), arms=(), precision="float32"),
        )  # fmt: skip


def _claimed(db: Any, base: str, dataset: int) -> Run:
    runs.queue(
        db, dataset_id=dataset, recipe="dpo", options={}, base_model=base, requested_by="U1"
    )  # fmt: skip
    run = runs.claim(db, "w", alone=False)
    assert run is not None
    return run


def corrections(count: int, first: int = 0) -> list[Row]:
    return [
        Row(
            pair_id=n, question=f"Who owns service number{n}?", answer="Team A owns it.",
            conversation=f"C1/{n}", source="", scope=PUBLIC, answer_ts="1.0",
            rejected_answer="I would not know that [1].",
        )
        for n in range(first, first + count)
    ]  # fmt: skip


def job(
    engine: Engine, rules: config.Settings, base: Path, work: Path, *, rows: int = FEWEST,
    method: str = "dpo", report: Any = None, **options: object,
) -> Job:  # fmt: skip
    with engine.begin() as db:
        run = _claimed(db, str(base), 1)
    work.mkdir(exist_ok=True)
    return Job(
        engine=engine, settings=rules, run=run, base=base, work=work,
        recipe=recipes.load(method, QUICK | options), train=corrections(rows),
        heldout=corrections(8, first=500), library=Shelf(),  # type: ignore[arg-type]
        report=report or (lambda _: run),
    )  # fmt: skip


def judge(engine: Engine, count: int, *, by_question: int = 1, first: int = 0) -> None:
    """Thumbs on answers: up where they are said one way, down where another."""
    with engine.begin() as db:
        messages.put_channel(db, Channel(id="C1", name="help"))
        for number in range(first, first + count):
            helpful, about = number % 2 == 0, number // by_question
            answer = Answer(
                id=f"a{number}", question=f"Where does thing{about} of kind{about} live?",
                text="In the store." if helpful else "Nobody can say that [1].", citations=(),
                level=Level.TUNED, model="v1", scopes=(PUBLIC,), asker="U1", channel="C1",
                thread_ts=f"{number}.9", at=float(number),
            )  # fmt: skip
            answers.add(db, answer)
            feedback.give(db, answer_id=answer.id, by="U2", helpful=helpful)


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_an_adapter_moves_towards_what_people_prefer(
    engine: Engine, rules: config.Settings, base: Path, start: Adapter, tmp_path: Path, method: str
):
    judge(engine, 40)
    one = job(engine, rules, base, tmp_path / "work", method=method)
    fitted = preference.train(one)
    told = preference.measured(one.work)
    assert told is not None
    assert (told.method, told.starts_from) == (method, start.name)
    assert told.learned == fitted.rows
    assert told.accuracy > 0.9
    assert len(told.preferred_before) == len(told.preferred_after) > 0
    assert told.note.startswith("Experimental")
    config_ = json.loads((one.work / "adapter" / "adapter_config.json").read_text())
    assert (config_["r"], config_["lora_alpha"]) == (4, 4), "it is the same adapter, not one on top"


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    engine: Engine, rules: config.Settings, base: Path, start: Adapter, tmp_path: Path
):
    whole = job(engine, rules, base, tmp_path / "whole")
    preference.train(whole)

    def stop(progress: Progress) -> Run:
        if progress.step >= 6:
            raise Cancelled("Enough.", fix="")
        return whole.run

    halved = job(engine, rules, base, tmp_path / "halved", report=stop)
    with pytest.raises(Cancelled):
        preference.train(halved)
    assert last_checkpoint(halved.work) is not None
    judge(engine, 40)  # what is said meanwhile is learned another time
    again = job(engine, rules, base, tmp_path / "halved")
    preference.train(again)
    first, second = preference.measured(whole.work), preference.measured(again.work)
    assert first is not None
    assert second is not None
    assert second.learned == first.learned
    assert second.margins == pytest.approx(first.margins, abs=1e-3)


def test_the_reference_is_the_adapter_that_it_starts_from(
    engine: Engine, rules: config.Settings, base: Path, start: Adapter, tmp_path: Path
):
    """Before the first step nothing has moved: the loss is the logarithm of two."""
    one = job(engine, rules, base, tmp_path / "work", epochs=1)
    preference.train(one)
    lines = (one.work / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["loss"] == pytest.approx(0.6931, abs=2e-3)
    made = encoded.kept(one.work)
    assert made is not None
    assert all(row.reference < 0 for unit in made.train for row in unit.rows)


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_a_plan_counts_what_people_prefer(
    engine: Engine, data: Path, base: Path, start: Adapter, tmp_path: Path, method: str
):
    rules = tiny.settings(data, base, generated_answers=0, probe=True)
    judge(engine, 40)
    one = job(engine, rules, base, tmp_path / "work", method=method, epochs=2)
    plans: list[Plan] = []

    def keep(plan: Plan) -> Run:
        plans.append(plan)
        return one.run

    make.settle(one, keep)
    fitted = preference.train(one)
    (plan,) = plans
    assert (plan.rows, plan.steps) == (fitted.rows, fitted.steps)
    assert plan.seconds["training"] > 0
    assert plan.seconds["thinking beforehand"] > 0


def test_what_does_not_fit_is_left_out_and_counted(
    engine: Engine, rules: config.Settings, base: Path, start: Adapter, tmp_path: Path
):
    one = job(engine, rules, base, tmp_path / "work", max_tokens=64)
    with pytest.raises(BadInput, match="fits into 64 tokens"):
        preference.train(one)


def test_little_feedback_is_refused(
    engine: Engine, rules: config.Settings, base: Path, start: Adapter, tmp_path: Path
):
    with pytest.raises(BadInput, match="There are 5 preferences"):
        preference.train(job(engine, rules, base, tmp_path / "work", rows=5))


def test_without_an_adapter_there_is_nothing_to_move(
    engine: Engine, rules: config.Settings, base: Path, tmp_path: Path
):
    with engine.begin() as db:
        add_dataset(db)
    with pytest.raises(BadInput, match="no adapter of"):
        preference.train(job(engine, rules, base, tmp_path / "work"))


def test_an_adapter_of_another_base_is_not_moved(
    engine: Engine, rules: config.Settings, base: Path, start: Adapter, tmp_path: Path
):
    one = job(engine, rules, base, tmp_path / "work", starts_from=start.name)
    other = Job(**{name: getattr(one, name) for name in one.__slots__} | {
        "run": Run(**{name: getattr(one.run, name) for name in one.run.__slots__} | {"base_model": "other"})
    })  # fmt: skip
    with pytest.raises(BadInput, match="is no adapter of other"):
        preference.train(other)


@pytest.mark.parametrize("recipe", ["dpo", "kto"])
def test_a_whole_run_is_compared_like_any_other(
    engine: Engine, rules: config.Settings, base: Path, start: Adapter, recipe: str
):
    """From the request to a registered adapter, by thumbs alone."""
    with engine.begin() as db:
        runs.finish(db, start.run_id, "w", RunState.DONE)
    judge(engine, 2 * FEWEST, by_question=2 if recipe == "dpo" else 1)
    judge(engine, 2 * FEWEST, by_question=2 if recipe == "dpo" else 1, first=100)
    request(engine, rules, by="U1", recipe=recipe, options=QUICK | {"epochs": 1})
    with engine.begin() as db:
        run = runs.claim(db, "w")
    assert run is not None
    made = train.run(engine, rules, run.id, "w")
    told = made.evaluation.preference
    assert told is not None
    assert told.learned >= FEWEST
    assert told.starts_from == start.name
    assert made.rank == start.rank
    assert {score.arm for score in made.evaluation.arms} == set(Arm)


def test_too_little_is_refused_before_anything_is_queued(
    engine: Engine, rules: config.Settings, base: Path, start: Adapter
):
    with engine.begin() as db:
        runs.finish(db, start.run_id, "w", RunState.DONE)
    with pytest.raises(BadInput, match="There are 0 preferences"):
        request(engine, rules, by="U1", recipe="dpo")
    with reading(engine) as db:
        assert [run.id for run in runs.latest(db)] == [start.run_id]
