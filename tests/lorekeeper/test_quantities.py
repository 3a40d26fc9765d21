"""Bytes and seconds as people say them."""

from __future__ import annotations

import math

import pytest

from lorekeeper.quantities import duration, size


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (75, "1 min 15 s"), (7800, "2 h 10 min"), (math.inf, "a while")],
)  # fmt: skip
def test_seconds(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 MB"), (850 * 2**20, "850 MB"), (6.34 * 2**30, "6.3 GB")]
)
def test_bytes(count: float, told: str) -> None:
    assert size(count) == told
