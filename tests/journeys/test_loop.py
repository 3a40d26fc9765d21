"""From a reaction to an answer that was learned from it, and back: real models, real processes, a fake Slack."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from bot.demo import acts
from bot.demo.stage import Stage
from lorekeeper.domain import Answer, Arm, Deployment, Outcome, PairState
from lorekeeper.store import adapters, answers, deployments, pairs, reading, runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def served(database: Engine) -> Deployment | None:
    with reading(database) as db:
        now = deployments.current(db)
    return now if now is not None and now.loaded_at else None


def test_the_whole_loop(embedded: tuple[Stage, str]) -> None:
    stage, shown = embedded
    assert shown.count("✓") == 9
    with reading(stage.database) as db:
        (run,) = runs.latest(db)
        adapter = adapters.get(db, run.adapter_id or 0)
        corrections = [p for p in pairs.in_state(db, PairState.CANDIDATE) if p.rejected_answer]
    assert {score.arm for score in adapter.evaluation.arms} == set(Arm)
    assert adapter.evaluation.arm(Arm.TUNED).mean_nll < adapter.evaluation.arm(Arm.BASE).mean_nll
    assert adapter.verdict.reasons
    assert len(corrections) == 1


def test_the_verdict_is_what_was_done(embedded: tuple[Stage, str]) -> None:
    stage, _ = embedded
    with reading(stage.database) as db:
        (adapter,) = adapters.all(db)
        (first,) = deployments.history(db)
    by_the_gate = adapter.verdict.outcome is Outcome.PROMOTE
    assert (first.by == "gate") == by_the_gate
    assert first.loaded_at is not None


def test_every_source_opens_something(embedded: tuple[Stage, str]) -> None:
    stage, _ = embedded
    told = acts.ask(stage, stage.script.questions[0])
    links = acts.links(told.reply)
    assert links
    for link in links:
        assert link.startswith(("https://docs.python.org/", stage.playground.page_url))


def test_nothing_private_is_told_in_public(embedded: tuple[Stage, str]) -> None:
    stage, _ = embedded
    told = acts.ask(stage, "what is the codename of the autumn release?")
    assert "Juniper" not in told.reply.said


def test_going_back_and_forth(embedded: tuple[Stage, str]) -> None:
    stage, _ = embedded
    reviewer, channel = stage.reviewer, stage.review_channel
    before = served(stage.database)
    assert before is not None

    reviewer.command("/lore rollback the answers were better before", channel)
    back = stage.until("the base model", lambda: _now_serving(stage, "base"))
    assert back.by == stage.script.reviewer
    assert "better before" in back.why
    assert _model_of_an_answer(stage) == "base"

    reviewer.command(f"/lore promote {before.adapter} it was right after all", channel)
    stage.until(before.adapter, lambda: _now_serving(stage, before.adapter))
    assert _model_of_an_answer(stage) == before.adapter


def _now_serving(stage: Stage, name: str) -> Deployment | None:
    now = served(stage.database)
    return now if now is not None and now.adapter == name else None


def _model_of_an_answer(stage: Stage) -> str:
    told = acts.ask(stage, stage.script.questions[0])

    def stored() -> Answer | None:
        with reading(stage.database) as db:
            return answers.by_message(db, stage.script.channel, told.reply.ts)

    return stage.until("record of where the answer stands", stored).model
