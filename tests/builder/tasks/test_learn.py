"""Whole runs on a tiny model: one task, several mixed, and in stages; killed, resumed and refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import tiny
from safetensors.torch import load_file
from sqlalchemy import Engine
from typer.testing import CliRunner

from builder import fit, stages, train
from builder.retrain import request
from builder.tasks import skilled, spec
from builder.tasks.add import add
from builder.tasks.cli import tasks as commands
from lorekeeper import settings as config
from lorekeeper.domain import Adapter, Asked, Outcome, Verdict
from lorekeeper.errors import BadInput, Cancelled, NotFound
from lorekeeper.store import deployments, reading, runs

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
    """A task of which every row is another one: what colour something has."""
    file = rules.store.data / "colours.jsonl"
    kinds = ("red", "green")
    lines = (
        json.dumps({"input": f"{n * 7919:x} {kinds[n % 2]} {n * 104729:x}?", "output": kinds[n % 2]})
        for n in range(count)
    )  # fmt: skip
    file.write_text("\n".join(lines))
    add(rules, file, name="colours", metric="accuracy", instruction="Say the colour.")


def queued(engine: Engine, rules: config.Settings, recipe: str, **options: object) -> int:
    run = request(engine, rules, by="me", recipe=recipe, options=QUICK | options)
    with engine.begin() as db:
        assert runs.claim(db, "worker") == runs.get(db, run.id)
    return run.id


def trained(engine: Engine, rules: config.Settings, recipe: str, **options: object) -> Adapter:
    return train.run(engine, rules, queued(engine, rules, recipe, **options), "worker")


def finish(engine: Engine, run_id: int, adapter: Adapter) -> None:
    with engine.begin() as db:
        runs.finish(db, run_id, "worker", runs.RunState.DONE, adapter_id=adapter.id)


def test_a_task_has_its_own_adapter_which_never_becomes_the_assistants(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "builder.tasks.judged.verdict.judge",
        lambda *_, **__: Verdict(outcome=Outcome.FOR_TASK, reasons=("Better at colours.",)),
    )
    adapter = trained(engine, rules, "task", task="colours")
    (score,) = adapter.evaluation.tasks
    assert (score.task, score.metric, score.labels) == ("colours", "accuracy", ("green", "red"))
    assert [arm.asked for arm in score.arms] == [Asked.BASE, Asked.PROMPTED, Asked.TUNED]
    assert {len(arm.rows) for arm in score.arms} == {len(score.references)}
    with reading(engine) as db:
        assert deployments.current(db) is None
        assert skilled.doing(db, "colours") == adapter
        assert skilled.doing(db, "triage") is None
    _asks_for_it_in_the_terminal(rules, monkeypatch)


def _asks_for_it_in_the_terminal(rules: config.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.tasks.cli.config.load", lambda: rules)
    monkeypatch.setenv("COLUMNS", "300")
    listed = CliRunner().invoke(commands, ["list"])
    line = next(line for line in listed.output.splitlines() if line.startswith("colours"))
    assert "v1" in line
    assert "tuned" in line
    told = CliRunner().invoke(commands, ["run", "colours", "1234 red 5678?"])
    assert told.exit_code == 0, told.exception
    assert "(v1)" in told.stderr
    refused = CliRunner().invoke(commands, ["run", "triage", "what?"])
    assert isinstance(refused.exception, BadInput)
    assert "No adapter was found better than the base at triage" in refused.exception.what


def test_what_an_adapter_of_a_task_is_judged_by_is_its_task(
    engine: Engine, rules: config.Settings
) -> None:
    adapter = trained(engine, rules, "task", task="colours")
    assert adapter.verdict.outcome in {Outcome.FOR_TASK, Outcome.KEEP, Outcome.UNDECIDED}
    assert all(
        "colours" in why or "groups" in why or "label" in why for why in adapter.verdict.reasons
    )


def test_tasks_are_mixed_scored_apart_and_shown_against_their_own_runs(
    engine: Engine, rules: config.Settings
) -> None:
    alone = queued(engine, rules, "task", task="colours")
    first = train.run(engine, rules, alone, "worker")
    finish(engine, alone, first)
    together = trained(engine, rules, "multitask", tasks="answer,colours")
    answer, colours_ = together.evaluation.tasks
    assert answer.metric == "loss"
    assert answer.arm(Asked.SINGLE) is None
    assert "No adapter was trained on these rows alone" in answer.note
    single = colours_.arm(Asked.SINGLE)
    assert single is not None
    assert single.adapter == "v1"
    of_first = first.evaluation.tasks[0].arm(Asked.TUNED)
    assert of_first is not None
    assert single.rows == of_first.rows
    assert any("tuned on this task alone" in why for why in together.verdict.reasons)


def test_the_single_runs_are_made_in_the_same_run_when_asked(
    engine: Engine, rules: config.Settings
) -> None:
    made = trained(engine, rules, "multitask", tasks=["answer", "colours"], compare_single=True)
    for score in made.evaluation.tasks:
        single = score.arm(Asked.SINGLE)
        assert single is not None
        assert single.adapter == ""
        assert len(single.rows) == len(score.references)


def test_stages_are_learned_one_from_the_other_and_measured_after_each(
    engine: Engine, rules: config.Settings
) -> None:
    adapter = trained(engine, rules, "sequential", stages="colours,answer", replay=0.5)
    found = adapter.evaluation.stages
    assert found is not None
    assert found.names == ("colours", "answer")
    assert len(found.losses) == 3
    before, after_first, after_last = found.losses
    assert after_first[0] < before[0]
    assert after_last[1] < after_first[1]
    assert found.transfers[0].stage == "colours"
    assert found.transfers[0].mean == pytest.approx(after_last[0] - after_first[0])
    assert found.backward_transfer == found.transfers[0].mean
    assert any(why.startswith("Stage colours: ") for why in adapter.verdict.reasons)


@pytest.mark.parametrize("moment", ["between two stages", "inside the second"])
def test_a_run_in_stages_that_was_killed_ends_as_one_that_was_not(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr(train, "_load_judged", _stop)
    run_id = queued(engine, rules, "sequential", stages="colours,answer")
    work = rules.store.data / "runs" / str(run_id)
    with pytest.raises(Stopped):
        train.run(engine, rules, run_id, "worker")
    whole = load_file(work / fit.ADAPTER / "adapter_model.safetensors")
    shutil.rmtree(work)

    original, calls = fit.fit, []

    def killed(*values: Any, **named: Any) -> fit.Fitted:
        calls.append(values[3].name)
        if len(calls) == 2 and moment == "between two stages":
            raise Stopped
        if len(calls) == 2:
            values = (*values[:4], _after(values[4], steps=2))
        return original(*values, **named)

    monkeypatch.setattr(stages.fit, "fit", killed)
    for _ in range(2):
        with pytest.raises(Stopped):
            train.run(engine, rules, run_id, "worker")
    assert calls == ["1-colours", "2-answer", "2-answer"]
    again = load_file(work / fit.ADAPTER / "adapter_model.safetensors")
    assert all(bool((whole[name] == again[name]).all()) for name in whole)


class Stopped(BaseException):
    """As a process that is killed: nobody handles it."""


def _stop(*_: object) -> None:
    raise Stopped


def _after(report: Callable[[Any], Any], *, steps: int) -> Callable[[Any], Any]:
    def reporting(progress: Any) -> Any:
        if progress.step >= steps:
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
        ("task", {"task": "colours", "trains": "all"}, "trains an adapter"),
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
        trained(engine, rules, "sequential")


def test_rows_that_are_longer_than_the_context_are_refused_by_the_tasks_name(
    engine: Engine, rules: config.Settings
) -> None:
    with pytest.raises(BadInput, match=r"The task colours: None of the \d+ rows fits into 32"):
        trained(engine, rules, "task", task="colours", max_tokens=32)


def test_a_cancelled_run_of_several_tasks_stops(engine: Engine, rules: config.Settings) -> None:
    run_id = queued(engine, rules, "multitask", tasks="answer,colours", compare_single=True)
    with engine.begin() as db:
        runs.request_cancel(db, run_id, "U9")
    with pytest.raises(Cancelled, match="U9"):
        train.run(engine, rules, run_id, "worker")


def test_other_rows_of_a_file_are_something_new(engine: Engine, rules: config.Settings) -> None:
    run_id = queued(engine, rules, "task", task="colours")
    finish(engine, run_id, train.run(engine, rules, run_id, "worker"))
    with pytest.raises(BadInput, match="Nothing is new"):
        queued(engine, rules, "task", task="colours")
    colours(rules, 60)
    again = queued(engine, rules, "task", task="colours")
    with reading(engine) as db:
        rows = runs.get(db, again).options["versions"]["colours"]
    assert rows == spec.load("colours", rules.store.data).rows
