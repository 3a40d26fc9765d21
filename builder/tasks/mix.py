"""Rows of several tasks in; one order of rows to learn, mixed by temperature, out. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

Row = TypeVar("Row")


def weights(sizes: Mapping[str, int], temperature: float) -> dict[str, float]:
    """Each task's share of what is learned: n^(1/T), made to sum to 1 (Raffel et al. 2020).

    At T = 1 a task counts by its rows; the higher T, the more alike all tasks count.

    Raises:
        ValueError: a task has no rows, or the temperature is not above 0.
    """
    if temperature <= 0 or not sizes or min(sizes.values()) < 1:
        raise ValueError(f"no weights of {dict(sizes)} at temperature {temperature}")
    largest = max(sizes.values())
    raised = {name: (size / largest) ** (1 / temperature) for name, size in sizes.items()}
    return {name: one / sum(raised.values()) for name, one in raised.items()}


def draws(sizes: Mapping[str, int], temperature: float, total: int) -> dict[str, int]:
    """How many of `total` rows each task gives, by largest remainder; one at least."""
    shares = {name: share * total for name, share in weights(sizes, temperature).items()}
    made = {name: max(1, int(share)) for name, share in shares.items()}
    for name in sorted(shares, key=lambda name: int(shares[name]) - shares[name]):
        if sum(made.values()) >= total:
            break
        made[name] += 1
    return made


def mixed(
    rows: Mapping[str, Sequence[Row]], *, temperature: float, epochs: float, seed: int
) -> list[Row]:
    """As many rows as `epochs` passes over all of them have, in a random order.

    A task gives each of its rows equally often, give or take one: which ones the odd rest is, is
    drawn anew each time round.
    """
    chance = random.Random(seed)  # noqa: S311 - an order is no secret
    sizes = {name: len(found) for name, found in rows.items()}
    wanted = draws(sizes, temperature, max(1, round(epochs * sum(sizes.values()))))
    chosen = [row for name, count in wanted.items() for row in _rounds(rows[name], count, chance)]
    chance.shuffle(chosen)
    return chosen


def share_of(rows: Sequence[Row], count: int, *, seed: int) -> list[Row]:
    """`count` of the rows, each equally often give or take one."""
    return _rounds(rows, count, random.Random(seed)) if rows else []  # noqa: S311 - as above


def _rounds(rows: Sequence[Row], count: int, chance: random.Random) -> list[Row]:
    found: list[Row] = []
    while len(found) < count:
        found += chance.sample(rows, min(len(rows), count - len(found)))
    return found
