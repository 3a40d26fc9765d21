"""A law is found again from losses that follow it, and a forecast is as sure as its questions allow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import power_law
from builder.power_law import Law

ROWS = (60, 125, 250, 500)


@given(
    floor=st.floats(0.5, 3.0),
    scale=st.floats(0.5, 10.0),
    power=st.floats(0.1, 1.2),
)
def test_a_law_is_found_again(floor: float, scale: float, power: float) -> None:
    law = Law(floor=floor, scale=scale, power=power)
    found = power_law.fit(ROWS, [law.loss(rows) for rows in ROWS])
    assert found.loss(1000) == pytest.approx(law.loss(1000), abs=0.02)


def test_three_sizes_are_needed() -> None:
    with pytest.raises(ValueError, match="three sizes"):
        power_law.fit([10, 20, 20], [3.0, 2.0, 2.0])


def losses(law: Law, *, noise: float, questions: int) -> list[list[float]]:
    """Each question has a difficulty of its own, the same at every size, and some noise."""
    chance = np.random.default_rng(5)
    own = chance.normal(0, 0.5, questions)
    return [
        list(law.loss(rows) + own - own.mean() + chance.normal(0, noise, questions))
        for rows in ROWS
    ]


def test_data_that_still_helps_is_told_from_data_that_does_not() -> None:
    clusters = [str(number) for number in range(200)]
    steep = power_law.forecast(
        ROWS, losses(Law(floor=1.0, scale=8.0, power=0.4), noise=0.05, questions=200), clusters
    )
    truth = 8.0 * (1000**-0.4 - 500**-0.4)
    assert steep.low <= truth <= steep.high < 0
    assert steep.rows == 1000
    flat = power_law.forecast(
        ROWS, losses(Law(floor=2.0, scale=0.0, power=0.4), noise=0.01, questions=200), clusters
    )
    assert flat.low > -0.01


def test_few_noisy_questions_give_a_wide_interval() -> None:
    law = Law(floor=1.0, scale=8.0, power=0.4)
    few = power_law.forecast(
        ROWS, losses(law, noise=0.3, questions=12), [str(n) for n in range(12)]
    )
    many = power_law.forecast(
        ROWS, losses(law, noise=0.3, questions=600), [str(n) for n in range(600)]
    )
    assert few.high - few.low > 2 * (many.high - many.low)
    assert few == power_law.forecast(
        ROWS, losses(law, noise=0.3, questions=12), [str(n) for n in range(12)]
    )
