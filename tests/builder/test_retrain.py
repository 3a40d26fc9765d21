"""Freezing and asking for a run: what is taken, what is left out, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from sqlalchemy import Engine

from builder import dataset, recipes
from builder.freeze import freeze
from builder.retrain import again, request
from lorekeeper import settings as config
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Evaluation, Goal, Outcome, RunState, Verdict
from lorekeeper.errors import AlreadyRunning, BadInput, NotFound
from lorekeeper.store import adapters, datasets, reading, runs


@pytest.fixture
def rules(data: Path, base: Path) -> config.Settings:
    return tiny.settings(data, base)


def test_the_same_pairs_are_the_same_version(engine: Engine, rules: config.Settings) -> None:
    tiny.approve(engine, 20)
    once, twice = freeze(engine, rules, by="me"), freeze(engine, rules, by="you")
    assert once == twice
    with reading(engine) as db:
        assert len(datasets.all(db)) == 1


def test_conversations_never_part_and_stay_where_they_were(
    engine: Engine, rules: config.Settings
) -> None:
    tiny.approve(engine, 20)
    first = freeze(engine, rules, by="me")
    tiny.approve(engine, 20, start=20)
    second = freeze(engine, rules, by="me")
    store = ArtifactStore(rules.store.data)
    sides = [
        {
            side: {row.conversation for row in dataset.read(store.open(made.folder), side)}
            for side in (datasets.TRAIN, datasets.HELDOUT)
        }
        for made in (first, second)
    ]
    assert not sides[1][datasets.TRAIN] & sides[1][datasets.HELDOUT]
    assert sides[0][datasets.HELDOUT] <= sides[1][datasets.HELDOUT]
    assert len(sides[1][datasets.HELDOUT]) >= 5


def test_private_channels_are_left_out_unless_their_curator_says_so(
    engine: Engine, rules: config.Settings
) -> None:
    tiny.approve(engine, 10)
    tiny.approve(engine, 10, scope="C9", start=10)
    public = freeze(engine, rules, by="me")
    allowed = rules.model_copy(update={"bot": config.Bot(train_on=("C9",))})
    both = freeze(engine, allowed, by="me")
    assert public.train + public.heldout == 10
    assert both.train + both.heldout == 20


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_pairs_are_refused_with_their_number(
    engine: Engine, rules: config.Settings, count: int
) -> None:
    tiny.approve(engine, count)
    with pytest.raises(BadInput, match="needs at least 8"):
        request(engine, rules, by="me")


def test_two_at_once_and_nothing_new_are_refused(engine: Engine, rules: config.Settings) -> None:
    tiny.approve(engine, 20)
    run = request(engine, rules, by="me")
    with pytest.raises(AlreadyRunning, match=f"Run {run.id}"):
        request(engine, rules, by="you")
    with engine.begin() as db:
        runs.claim(db, "w")
        runs.finish(db, run.id, "w", RunState.DONE)
    with pytest.raises(BadInput, match="Nothing is new"):
        request(engine, rules, by="you")


def test_recipes_that_cannot_be_used_are_refused_before_anything_is_frozen(
    engine: Engine, rules: config.Settings
) -> None:
    tiny.approve(engine, 20)
    with pytest.raises(NotFound, match="no recipe 'nothing'"):
        request(engine, rules, by="me", recipe="nothing")
    for options, said in (
        ({"rank": 512}, "Rank 512"),
        ({"dora": True}, "DoRA"),
        ({"target_modules": ["lm_head"]}, "output layer"),
        ({"epoch": 2}, "epoch"),
    ):
        with pytest.raises(BadInput, match=said):
            request(engine, rules, by="me", options=options)
    with reading(engine) as db:
        assert not datasets.all(db)


def test_a_run_is_repeated_as_it_was(engine: Engine, rules: config.Settings) -> None:
    tiny.approve(engine, 24)
    first = request(engine, rules, by="me", recipe="lora", options={"rank": 4})
    _end(engine, first.id)
    tiny.approve(engine, 4, start=24)  # what is new is not in it
    second = again(engine, rules, first.id, by="you")
    assert second.id != first.id
    assert second.requested_by == "you"
    for what in ("dataset_id", "recipe", "options", "base_model"):
        assert getattr(second, what) == getattr(first, what)
    with pytest.raises(AlreadyRunning):
        again(engine, rules, first.id, by="you")
    _end(engine, second.id)
    with pytest.raises(NotFound, match="no run 99"):
        again(engine, rules, 99, by="you")


def test_a_recipe_that_was_edited_since_is_repeated_as_it_was(
    engine: Engine, rules: config.Settings
) -> None:
    tiny.approve(engine, 24)
    own = rules.store.data / "recipes" / "ours.toml"
    own.parent.mkdir()
    own.write_text("rank = 4\n")
    first = request(engine, rules, by="me", recipe="ours")
    made = recipes.load("ours", {}, data=rules.store.data)
    with ArtifactStore(rules.store.data).write(
        "adapters", {"recipe": made.model_dump(mode="json")}
    ) as draft:
        (draft.path / "card.md").write_text("# A card")
    none = Evaluation(questions=(), references=(), conversations=(), arms=(), precision="float32")
    with engine.begin() as db:
        adapters.add(
            db, run_id=first.id, dataset_id=first.dataset_id, base_model="m", hash="h",
            folder=draft.folder, rank=4, evaluation=none,
            verdict=Verdict(outcome=Outcome.KEEP, reasons=("no",)),
        )  # fmt: skip
    _end(engine, first.id)
    own.write_text("rank = 8\nlearning_rate = 0.001\n")
    second = again(engine, rules, first.id, by="me")
    assert recipes.load("ours", second.options, data=rules.store.data) == made


def _end(engine: Engine, run_id: int) -> None:
    with engine.begin() as db:
        runs.request_cancel(db, run_id, "me")


@pytest.mark.parametrize("goal", [Goal.CURVE, Goal.SEARCH])
def test_a_curve_of_another_way_than_instruction_is_refused(
    engine: Engine, rules: config.Settings, goal: Goal
) -> None:
    tiny.approve(engine, 20)
    with pytest.raises(BadInput, match="works on instruction tuning"):
        request(engine, rules, by="me", recipe="sequential", goal=goal)


def test_a_plan_may_be_asked_for_again_and_again(engine: Engine, rules: config.Settings) -> None:
    tiny.approve(engine, 20)
    for goal in (Goal.PLAN, Goal.PLAN, Goal.ADAPTER):
        run = request(engine, rules, by="me", goal=goal)
        assert run.goal is goal
        with engine.begin() as db:
            runs.claim(db, "w")
            runs.finish(db, run.id, "w", RunState.DONE)
