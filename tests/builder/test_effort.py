"""The dial fills in what nobody set, by rules that can be checked against where they come from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.effort import Facts, dial
from builder.recipes import Recipe
from builder.shape import Linear, Shape


def facts(rows: int, *, tokens: int = 100, hidden: int = 2048, kind: str = "llama") -> Facts:
    linear = tuple(Linear(name=f"l{n}.q_proj", inputs=hidden, outputs=hidden) for n in range(100))
    shape = Shape(
        kind=kind, parameters=10**9, linear=linear, hidden=hidden, layers=16, keys=512,
        intermediate=4 * hidden, vocabulary=32_000,
    )  # fmt: skip
    return Facts(rows=rows, answer_tokens=rows * tokens, shape=shape, most_rank=32)


def test_what_a_person_sets_wins() -> None:
    recipe = Recipe(rank=64, learning_rate=1e-5)
    set_, chosen = dial(recipe, facts(100))
    assert (set_.rank, set_.learning_rate) == (64, 1e-5)
    assert set_.alpha == 128  # follows the rank, as nobody set it
    assert {"rank", "learning_rate"}.isdisjoint(choice.field for choice in chosen)


def test_every_choice_says_why() -> None:
    _, chosen = dial(Recipe(), facts(100))
    assert [choice.field for choice in chosen] == [
        "rank", "alpha", "batch_size", "accumulation", "epochs", "learning_rate",
    ]  # fmt: skip
    assert all(len(choice.why) > 10 for choice in chosen)
    assert str(chosen[0]).startswith("rank=16: ")


def test_the_learning_rate_of_a_long_run_is_that_of_the_source() -> None:
    # LoRA Without Regret: 5e-5 × 10 × (2000 ÷ hidden) ^ 0.781 for Llama, ^ 0.0775 for Qwen.
    llama, _ = dial(Recipe(), facts(20_000, hidden=4096))
    qwen, _ = dial(Recipe(), facts(20_000, hidden=4096, kind="qwen3"))
    assert llama.learning_rate == pytest.approx(2.9e-4, rel=0.02)
    assert qwen.learning_rate == pytest.approx(4.7e-4, rel=0.02)


def test_a_whole_model_learns_ten_times_as_slowly_as_an_adapter() -> None:
    adapter, _ = dial(Recipe(), facts(20_000))
    whole, chosen = dial(Recipe(trains="all", quantization="none"), facts(20_000))
    assert adapter.learning_rate == pytest.approx(10 * whole.learning_rate, rel=0.02)
    assert "rank" not in {choice.field for choice in chosen}


def test_many_rows_need_few_passes_and_few_rows_no_more_than_are_worth_it() -> None:
    epochs = {
        (effort, rows): dial(Recipe(effort=effort), facts(rows))[0].epochs
        for effort in ("low", "medium", "high")
        for rows in (50, 500, 50_000)
    }
    assert epochs["low", 50] == 2
    assert epochs["medium", 50] == 4
    assert epochs["medium", 500] == 3
    assert epochs["high", 500] == 8
    assert {epochs[effort, 50_000] for effort in ("low", "medium", "high")} == {1}


def test_the_rank_grows_with_what_is_to_be_stored_up_to_what_is_served() -> None:
    assert dial(Recipe(), facts(100))[0].rank == 16
    assert dial(Recipe(effort="low"), facts(100))[0].rank == 8
    capped, chosen = dial(Recipe(), facts(1_000_000))
    assert capped.rank == 32
    assert "more is not served" in chosen[0].why


@given(
    rows=st.integers(1, 10**6),
    tokens=st.integers(1, 2000),
    hidden=st.sampled_from([64, 576, 2048, 8192]),
    effort=st.sampled_from(["low", "medium", "high"]),
)
def test_what_the_dial_says_is_a_valid_recipe(
    rows: int, tokens: int, hidden: int, effort: str
) -> None:
    recipe = Recipe.model_validate({"effort": effort})
    set_, _ = dial(recipe, facts(rows, tokens=tokens, hidden=hidden))
    assert Recipe.model_validate(set_.model_dump()) == set_
    assert set_.batch_size * set_.accumulation in {4, 8, 16}
