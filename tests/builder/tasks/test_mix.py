"""Tasks mixed by temperature: the weights are the formula's, and every row has its turn."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.tasks.mix import draws, mixed, share_of, weights

SIZES = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 500), min_size=1)


@pytest.mark.parametrize(
    ("temperature", "wanted"),
    [(1.0, [0.8, 0.2]), (2.0, [2 / 3, 1 / 3]), (1e6, [0.5, 0.5])],
)
def test_weights_are_sizes_to_the_power_of_one_over_the_temperature(
    temperature: float, wanted: list[float]
) -> None:
    found = weights({"large": 400, "small": 100}, temperature)
    assert list(found.values()) == pytest.approx(wanted, abs=1e-4)


@given(SIZES, st.floats(0.2, 50), st.integers(10, 2000))
def test_draws_are_as_many_as_wanted_and_near_their_weights(
    sizes: dict[str, int], temperature: float, total: int
) -> None:
    found = draws(sizes, temperature, total)
    assert min(found.values()) >= 1
    assert total <= sum(found.values()) <= total + len(sizes)
    for name, share in weights(sizes, temperature).items():
        assert abs(found[name] - max(1, share * total)) <= 1


@given(SIZES, st.floats(0.5, 10), st.integers(1, 3))
def test_each_row_of_a_task_is_learned_equally_often_give_or_take_one(
    sizes: dict[str, int], temperature: float, epochs: int
) -> None:
    rows = {name: [f"{name}{number}" for number in range(size)] for name, size in sizes.items()}
    found = Counter(mixed(rows, temperature=temperature, epochs=epochs, seed=7))
    for of_task in rows.values():
        often = [found[row] for row in of_task]
        assert max(often) - min(often) <= 1


def test_one_seed_gives_one_order() -> None:
    rows = {"a": list(range(20)), "b": list(range(100, 140))}
    first = mixed(rows, temperature=2, epochs=2, seed=1)
    assert first == mixed(rows, temperature=2, epochs=2, seed=1)
    assert first != mixed(rows, temperature=2, epochs=2, seed=2)
    assert len(first) == 120


def test_a_share_of_nothing_is_nothing() -> None:
    assert share_of([], 5, seed=1) == []
    assert len(share_of([1, 2], 5, seed=1)) == 5


@pytest.mark.parametrize(("sizes", "temperature"), [({}, 1.0), ({"a": 0}, 1.0), ({"a": 1}, 0.0)])
def test_nothing_cannot_be_mixed(sizes: dict[str, int], temperature: float) -> None:
    with pytest.raises(ValueError, match="no weights"):
        weights(sizes, temperature)
