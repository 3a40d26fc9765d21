"""The loss at several sizes of a dataset in; the loss at larger sizes, with an interval, out. Pure.

Loss falls with the number of rows n as floor + scale × n ^ -power: a power law towards what no amount
of such data removes (Hestness et al., "Deep Learning Scaling is Predictable, Empirically", 2017; for
fine-tuning Zhang et al., "When Scaling Meets LLM Finetuning", ICLR 2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 400
SEED = 20_240_501  # the same losses always give the same forecast
POWERS = (0.05, 1.5)  # those that were seen; beyond them, four points fit noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """floor + scale × rows ^ -power."""

    floor: float
    scale: float
    power: float

    def loss(self, rows: float) -> float:
        return self.floor + self.scale * math.pow(rows, -self.power)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What `rows` rows would bring, beside the largest size that was measured."""

    rows: int
    loss: float
    change: float  # from the fitted loss of all rows that there are; below 0 is better
    low: float  # 95 % interval of the change
    high: float


def fit(rows: Sequence[int], losses: Sequence[float]) -> Law:
    """Least squares, with a floor of at least 0 and a power of a kind that is seen.

    Raises:
        ValueError: fewer than three sizes.
    """
    import numpy as np
    from scipy.optimize import least_squares

    if len(set(rows)) < 3:
        raise ValueError("a power law needs three sizes")
    sizes, found = np.asarray(rows, dtype=float), np.asarray(losses, dtype=float)
    first = sizes.min()

    def off(guess: NDArray[np.float64]) -> NDArray[np.float64]:
        floor, drop, power = guess
        return np.asarray(floor + drop * (sizes / first) ** -power - found)

    low, high = float(found.min()), float(found.max())
    begin = (max(1e-6, 0.8 * low), max(1e-6, high - 0.8 * low), 0.5)
    bounds = ((0.0, 0.0, POWERS[0]), (max(high, 1e-3), max(2 * high, 1e-3), POWERS[1]))
    floor, drop, power = least_squares(off, begin, bounds=bounds).x
    return Law(floor=float(floor), scale=float(drop * first**power), power=float(power))


def forecast(
    rows: Sequence[int],
    losses: Sequence[Sequence[float]],
    clusters: Sequence[str],
    *,
    times: float = 2.0,
) -> Forecast:
    """The change that `times` as many rows would bring.

    `losses` holds for each size the loss of every question, the same questions in the same order. The
    interval comes from fitting again after drawing the conversations anew (bootstrap of whole clusters).
    It knows about the questions' chance, not about that of one training at each size.
    """
    import numpy as np

    table = np.asarray(losses, dtype=float)  # [sizes, questions]
    most = max(rows)
    law = fit(rows, list(table.mean(axis=1)))
    changes = [
        one.loss(times * most) - one.loss(most)
        for one in (fit(rows, means) for means in _drawn(table, clusters))
    ]
    low, high = np.quantile(changes, (0.025, 0.975))
    return Forecast(
        rows=round(times * most),
        loss=law.loss(times * most),
        change=law.loss(times * most) - law.loss(most),
        low=float(low),
        high=float(high),
    )


def _drawn(table: NDArray[np.float64], clusters: Sequence[str]) -> Sequence[Sequence[float]]:
    """Means of each size over conversations that were drawn with replacement."""
    import numpy as np

    places = np.unique(np.asarray(clusters), return_inverse=True)[1]
    counts = np.bincount(places).astype(float)
    sums = np.stack([np.bincount(places, row) for row in table])
    chance = np.random.default_rng(SEED)
    drawn = chance.integers(0, len(counts), (RESAMPLES, len(counts)))
    return [list(sums[:, one].sum(axis=1) / counts[one].sum()) for one in drawn]
