"""A search on a tiny model: around the dial, taken up again, and compared on what it was not chosen by."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import tiny
from sqlalchemy import Engine

from builder import recipes, search, train
from builder.recipes import Recipe
from builder.retrain import request
from lorekeeper import settings as config
from lorekeeper.domain import Goal, Run
from lorekeeper.errors import BadInput
from lorekeeper.paired import Difference
from lorekeeper.store import reading, runs

QUICK = {"quantization": "none", "with_passages": 0, "effort": "low", "batch_size": 4}


@pytest.fixture
def rules(data: Path, base: Path) -> config.Settings:
    return tiny.settings(data, base, search_trials=5)


def claimed(engine: Engine, rules: config.Settings, **options: object) -> Run:
    request(engine, rules, by="me", options=QUICK | options, goal=Goal.SEARCH)
    return tiny.claimed(engine)


@pytest.mark.timeout(900)  # trains several times; a loaded machine is no defect
def test_a_search_is_taken_up_again_and_ends_with_a_recipe_and_its_gain(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.approve(engine, 56)
    run = claimed(engine, rules)
    fitted, calls = search.fit.fit, []

    def killed_at_the_third(*values: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fitted(*values, **named)

    with monkeypatch.context() as patch:
        patch.setattr(search.fit, "fit", killed_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            train.reach(engine, rules, run.id, "worker")
        train.reach(engine, rules, run.id, "worker")
    with reading(engine) as db:
        found = runs.get(db, run.id).found
    assert found is not None
    if "dial's own settings were the best" in found:
        assert "of 5" in found or "of 6" in found
        return
    assert "held-out questions that it was not chosen by" in found
    name = f"searched-{run.id}"
    assert f"--recipe {name}" in found
    written = recipes.load(name, {}, data=rules.store.data)
    assert {"rank", "alpha", "epochs", "learning_rate"} <= written.model_fields_set
    assert written.quantization == "none"


def test_what_a_person_sets_is_not_searched() -> None:
    start = Recipe(rank=16, learning_rate=1e-3, epochs=2.0)
    space = search._Space.of(Recipe(rank=16), start, 32)
    assert "rank" not in space.fields
    assert space.fields["learning_rate"] == [pytest.approx(2.5e-4), pytest.approx(4e-3)]
    everything = Recipe(rank=8, learning_rate=1e-4, epochs=1, accumulation=1, dropout=0)
    with pytest.raises(BadInput, match="Everything that a search would choose is set"):
        search._Space.of(everything, everything, 32)


def test_the_rank_stays_within_what_is_served_and_alpha_follows_it() -> None:
    space = search._Space.of(Recipe(), Recipe(rank=32, alpha=64), 32)
    assert space.fields["rank"] == [16, 32]
    assert space.recipe({"rank": 16}).alpha == 32


def test_too_few_rows_for_a_search_are_refused(engine: Engine, rules: config.Settings) -> None:
    tiny.approve(engine, 20)
    with pytest.raises(BadInput, match="a search needs 40"):
        train.reach(engine, rules, claimed(engine, rules).id, "worker")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(-0.2, -0.1, "gained something"), (0.1, 0.2, "lost something"), (-0.1, 0.1, "nothing that is surely better")],
)  # fmt: skip
def test_the_interval_decides_what_is_said(low: float, high: float, said: str) -> None:
    found = Difference(
        mean=(low + high) / 2, low=low, high=high, p_lower=0.5, p_higher=0.5, deviation=0.1,
        questions=40,
    )  # fmt: skip
    told = search._told(Recipe(rank=8), Recipe(rank=16), found, 12, Path("recipes/searched-3.toml"))
    assert said in told
    assert "rank 16 instead of 8" in told
    assert "40 held-out questions that it was not chosen by" in told


def test_a_written_recipe_is_read_back_the_same(tmp_path: Path) -> None:
    text = "".join(search.lines(Recipe(rank=16, target_modules=("q_proj",), about='say "so"')))
    values = tomllib.loads(text)
    assert Recipe.model_validate(values) == Recipe(
        rank=16, target_modules=("q_proj",), about='say "so"'
    )
