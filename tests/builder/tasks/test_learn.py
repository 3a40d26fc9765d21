"""Whole runs on a tiny model: one task, several mixed, and in stages; killed, resumed and refused."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny
from numpy.typing import NDArray
from safetensors.torch import load_file
from sqlalchemy import Engine
from typer.testing import CliRunner

from builder import fit, recipes, scoring, stages, train
from builder.job import Job
from builder.retrain import request
from builder.tasks import judged as of_tasks
from builder.tasks import learn, skilled, spec
from builder.tasks.add import add
from builder.tasks.cli import tasks as commands
from builder.tasks.draw import team
from lorekeeper import settings as config
from lorekeeper.domain import Adapter, Asked, Evaluation, Outcome, Run, RunState, Verdict
from lorekeeper.errors import BadInput, Cancelled, NotFound
from lorekeeper.store import datasets, deployments, reading, runs

QUICK = {
    "epochs": 1, "rank": 4, "checkpoint_steps": 1, "learning_rate": 0.01, "judged_rows": 8,
    "quantization": "none", "with_passages": 0,
}  # fmt: skip


@pytest.fixture
def rules(data: Path, base: Path, engine: Engine) -> config.Settings:
    tiny.approve(engine, 16)
    made = tiny.settings(data, base, evaluation_questions=4, generated_answers=0)
    colours(made, 40)
    return made


def colours(rules: config.Settings, count: int) -> None:
    """A task whose output stands in its input."""
    file = rules.store.data / "colours.jsonl"
    kinds = ("red", "green")
    lines = (
        json.dumps({"input": f"{n * 7919:x} {kinds[n % 2]} {n * 104729:x}?", "output": kinds[n % 2]})
        for n in range(count)
    )  # fmt: skip
    file.write_text("\n".join(lines))
    add(rules, file, name="colours", metric="accuracy", instruction="Say the colour.")


class Letters:
    """An embedder by letters, for choosing examples."""

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[text.count(c) for c in "abcdefghij"] for text in texts], np.float32)

    def question(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.passages([text])[0]
        return vector


def queued(engine: Engine, rules: config.Settings, recipe: str, **options: object) -> Run:
    request(engine, rules, by="me", recipe=recipe, options=QUICK | options)
    with engine.begin() as db:
        run = runs.claim(db, "worker")
    assert run is not None
    return run


def job_of(engine: Engine, rules: config.Settings, recipe: str, **options: object) -> Job:
    """What `builder.train` makes of a run, without an index: no way here asks it."""
    run = queued(engine, rules, recipe, **options)
    with reading(engine) as db:
        frozen = team(engine, rules, datasets.get(db, run.dataset_id))
    work = rules.store.data / "runs" / str(run.id)
    work.mkdir(parents=True, exist_ok=True)
    return Job(
        engine=engine,
        settings=rules,
        run=run,
        recipe=recipes.load(run.recipe, run.options),
        base=Path(run.base_model),
        work=work,
        train=frozen.train,
        heldout=frozen.heldout,
        library=SimpleNamespace(embedder=Letters()),  # type: ignore[arg-type]
        report=lambda _: run,
    )


def judged(job: Job) -> Evaluation:
    """Trained, and with what the way has to show."""
    train.WAYS[job.recipe.way](job)
    empty = Evaluation(questions=(), references=(), conversations=(), arms=(), precision="float32")
    model = scoring.load_judged(job.base, job.work / fit.ADAPTER, job.settings)
    return of_tasks.evaluated(empty, model, job)


def finish(engine: Engine, run: Run, adapter: Adapter | None = None) -> None:
    with engine.begin() as db:
        done = adapter.id if adapter is not None else None
        runs.finish(db, run.id, "worker", RunState.DONE, adapter_id=done)


def test_a_task_has_its_own_adapter_which_never_becomes_the_assistants(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "builder.tasks.judged.verdict.judge",
        lambda *_, **__: Verdict(outcome=Outcome.FOR_TASK, reasons=("Better at colours.",)),
    )
    run = queued(engine, rules, "task", task="colours")
    adapter = train.run(engine, rules, run.id, "worker")
    (score,) = adapter.evaluation.tasks
    assert (score.task, score.metric, score.labels) == ("colours", "accuracy", ("green", "red"))
    assert [arm.asked for arm in score.arms] == [Asked.BASE, Asked.PROMPTED, Asked.TUNED]
    assert {len(arm.rows) for arm in score.arms} == {len(score.references)}
    with reading(engine) as db:
        assert deployments.current(db) is None
        assert skilled.doing(db, "colours") == adapter
        assert skilled.doing(db, "triage") is None
    _asks_for_it_in_the_terminal(engine, rules, monkeypatch)
    finish(engine, run, adapter)
    _is_shown_against_its_own_run(engine, rules, adapter)


def _asks_for_it_in_the_terminal(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.tasks.cli._open", lambda: (rules, engine))
    monkeypatch.setenv("COLUMNS", "300")
    listed = CliRunner().invoke(commands, ["list"])
    assert listed.exit_code == 0, listed.exception
    line = next(line for line in listed.output.splitlines() if line.split()[:1] == ["colours"])
    assert "v1" in line
    assert "tuned" in line
    told = CliRunner().invoke(commands, ["run", "colours", "1234 red 5678?"])
    assert told.exit_code == 0, told.exception
    assert "(v1)" in told.stderr
    refused = CliRunner().invoke(commands, ["run", "triage", "what?"])
    assert isinstance(refused.exception, BadInput)
    assert "No adapter was found better than the base at triage" in refused.exception.what


def _is_shown_against_its_own_run(engine: Engine, rules: config.Settings, alone: Adapter) -> None:
    """Several tasks in one adapter: each beside the adapter of that task alone, where there is one."""
    job = job_of(engine, rules, "multitask", tasks="answer,colours")
    evaluation = judged(job)
    answer, mixed_in = evaluation.tasks
    assert answer.metric == "loss"
    assert answer.arm(Asked.SINGLE) is None
    assert "No adapter was trained on these rows alone" in answer.note
    single, of_alone = mixed_in.arm(Asked.SINGLE), alone.evaluation.tasks[0].arm(Asked.TUNED)
    assert single is not None
    assert of_alone is not None
    assert single.adapter == "v1"
    assert single.answers == of_alone.answers
    gate = Verdict(outcome=Outcome.KEEP, reasons=("Worse.",))
    told = of_tasks.decided(gate, evaluation, job)
    assert told.outcome is Outcome.KEEP
    assert [why.split(":")[0] for why in told.reasons][1:] == [
        f"{word} at {task}"
        for task, arms in (("answer", 1), ("colours", 2))
        for word in _words(told, task, arms)
    ]


def _words(told: Verdict, task: str, arms: int) -> list[str]:
    found = [why.partition(f" at {task}: ")[0] for why in told.reasons if f" at {task}: " in why]
    assert len(found) == arms
    assert set(found) <= {"Better", "Worse", "Too close to call"}
    return found


def test_what_an_adapter_of_a_task_is_judged_by_is_its_task(
    engine: Engine, rules: config.Settings
) -> None:
    job = job_of(engine, rules, "task", task="colours")
    evaluation = judged(job)
    gate = Verdict(outcome=Outcome.PROMOTE, reasons=("Better than the base + retrieval.",))
    told = of_tasks.decided(gate, evaluation, job)
    assert told.outcome is not Outcome.PROMOTE
    assert "colours" in told.reasons[0]
    assert gate.reasons[0] not in told.reasons


def test_the_single_runs_are_made_in_the_same_run_when_asked(
    engine: Engine, rules: config.Settings
) -> None:
    job = job_of(engine, rules, "multitask", tasks=["general", "colours"], compare_single=True)
    for score in judged(job).tasks:
        single = score.arm(Asked.SINGLE)
        assert single is not None
        assert single.adapter == ""
        assert len(single.rows) == len(score.references)
        assert single.rows != score.arms[0].rows or score.metric == "accuracy"


def test_stages_are_learned_one_from_the_other_and_measured_after_each(
    engine: Engine, rules: config.Settings
) -> None:
    job = job_of(engine, rules, "sequential", stages="colours,answer", replay=0.5)
    evaluation = judged(job)
    found = evaluation.stages
    assert found is not None
    assert found.names == ("colours", "answer")
    before, after_first, after_last = found.losses
    assert after_first[0] < before[0]
    assert after_last[1] < after_first[1]
    assert found.transfers[0].stage == "colours"
    assert found.transfers[0].mean == pytest.approx(after_last[0] - after_first[0])
    assert found.backward_transfer == found.transfers[0].mean
    gate = Verdict(outcome=Outcome.PROMOTE, reasons=("Better.",))
    told = of_tasks.decided(gate, evaluation, job)
    assert told.outcome is Outcome.PROMOTE
    assert told.reasons[1].startswith("Stage colours: ")


def test_the_replay_share_is_of_the_stages_own_rows() -> None:
    recipe = recipes.load("sequential", {"replay": 0.25})
    earlier: Any = [["a"] * 30, ["b"] * 4]
    assert Counter(learn.replayed(earlier, 40, recipe)) == {"a": 5, "b": 5}
    assert learn.replayed([], 40, recipe) == []


@pytest.mark.parametrize("moment", ["between two stages", "inside the second"])
def test_a_run_in_stages_that_was_killed_ends_as_one_that_was_not(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    job = job_of(engine, rules, "sequential", stages="colours,answer")
    stages.train(job)
    whole = load_file(job.work / fit.ADAPTER / "adapter_model.safetensors")
    shutil.rmtree(job.work)
    job.work.mkdir()

    original, calls = fit.fit, []

    def killed(*values: Any, **named: Any) -> fit.Fitted:
        calls.append(values[3].name)
        if len(calls) == 2 and moment == "between two stages":
            raise Stopped
        if len(calls) == 2:
            values = (*values[:4], _until(values[4], step=2))
        return original(*values, **named)

    monkeypatch.setattr(stages.fit, "fit", killed)
    with pytest.raises(Stopped):
        stages.train(job)
    stages.train(job)
    assert calls == ["1-colours", "2-answer", "2-answer"]
    again = load_file(job.work / fit.ADAPTER / "adapter_model.safetensors")
    assert all(bool((whole[name] == again[name]).all()) for name in whole)


class Stopped(BaseException):
    """As a process that is killed: nobody handles it."""


def _until(report: Callable[[Any], Any], *, step: int) -> Callable[[Any], Any]:
    def reporting(progress: Any) -> Any:
        if progress.step >= step:
            raise Stopped
        return report(progress)

    return reporting


@pytest.mark.parametrize(
    ("recipe", "options", "what"),
    [
        ("task", {}, "learns one task; task names none"),
        ("task", {"task": "nonsense"}, "There is no task 'nonsense'"),
        ("task", {"task": "triage"}, "triage has 0 rows to train on"),
        ("task", {"task": "routing"}, "routing has 0 rows to train on"),
        ("multitask", {"tasks": "answer"}, "two or more different tasks; tasks names answer"),
        ("multitask", {"tasks": "answer,answer"}, "two or more different tasks"),
        ("multitask", {"tasks": "answer,summary"}, "summary has 0 rows to train on"),
        ("multitask", {"temperature": 0}, "temperature"),
        ("sequential", {"stages": "answer"}, "two or more different tasks; stages names answer"),
        ("sequential", {"replay": 2}, "replay"),
        ("task", {"task": "colours", "trains": "all", "quantization": "none"}, "trains adapters"),
        ("task", {"task": "colours", "merged": True}, "trains an adapter"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_is_refused_before_it_is_queued(
    engine: Engine, rules: config.Settings, recipe: str, options: Mapping[str, object], what: str
) -> None:
    with pytest.raises((BadInput, NotFound), match=what):
        request(engine, rules, by="me", recipe=recipe, options=options)
    with reading(engine) as db:
        assert not runs.latest(db, 1)


def test_documents_that_nobody_named_are_refused_when_the_run_begins(
    engine: Engine, rules: config.Settings
) -> None:
    with pytest.raises(BadInput, match="LORE_RETRIEVAL__DOCUMENTS names none"):
        stages.train(job_of(engine, rules, "sequential"))


def test_rows_that_are_longer_than_the_context_are_refused_by_the_tasks_name(
    engine: Engine, rules: config.Settings
) -> None:
    job = job_of(engine, rules, "task", task="colours", max_tokens=32)
    with pytest.raises(BadInput, match=r"The task colours: None of the \d+ rows fits into 32"):
        learn.one(job)


def test_a_cancelled_run_of_several_tasks_stops(engine: Engine, rules: config.Settings) -> None:
    job = job_of(engine, rules, "multitask", tasks="answer,colours", compare_single=True)
    stopping = replace(job, report=lambda _: replace(job.run, cancel_requested_by="U9"))
    with pytest.raises(Cancelled, match="U9"):
        learn.several(stopping)


def test_other_rows_of_a_file_are_something_new(engine: Engine, rules: config.Settings) -> None:
    finish(engine, queued(engine, rules, "task", task="colours"))
    with pytest.raises(BadInput, match="Nothing is new"):
        queued(engine, rules, "task", task="colours")
    colours(rules, 60)
    again = queued(engine, rules, "task", task="colours")
    assert again.options["versions"]["colours"] == spec.load("colours", rules.store.data).rows
