"""What two ways scored on the same questions in; their mean difference, and how sure it is, out. Pure.

Differences are paired by question and resampled by cluster: answers of one conversation are not
independent evidence (Miller, "Adding Error Bars to Evals", 2024).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 10_000
SEED = 20_240_501  # the same scores always get the same verdict
AT_ONCE = 2_000_000  # numbers drawn in one piece; 16 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The mean of paired differences, new minus old, and how sure it is."""

    mean: float
    low: float  # 95 % interval
    high: float
    p_lower: float  # one-sided p-value of "new is not below old"
    p_higher: float  # one-sided p-value of "new is not above old"
    deviation: float  # of one question's difference
    questions: int


def paired(
    new: Sequence[float], old: Sequence[float], clusters: Sequence[str] | None = None
) -> Difference:
    """The mean difference: its interval by bootstrap, its p-values by sign flips, both of whole clusters.

    A bootstrap of five questions that all agree would claim certainty; flipping signs cannot claim
    more than one in two to the fifth. Without `clusters`, each question is one of its own.

    Raises:
        ValueError: the sequences differ in length, or are empty.
    """
    import numpy as np

    differences = np.array([a - b for a, b in zip(new, old, strict=True)])
    sums, counts = _by_cluster(differences, clusters)
    low, high = _interval(sums, counts)
    mean = float(differences.mean())
    # Rounding must not make a flip that gives the same mean look smaller or larger.
    flipped, least = _flipped(sums) / len(differences), 1e-12
    return Difference(
        mean=mean,
        low=low,
        high=high,
        p_lower=_share(flipped <= mean + least),
        p_higher=_share(flipped >= mean - least),
        deviation=float(differences.std(ddof=1)) if len(differences) > 1 else 0.0,
        questions=len(differences),
    )


def interval(values: Sequence[float], clusters: Sequence[str] | None = None) -> tuple[float, float]:
    """The 95 % interval of the mean, by bootstrap of whole clusters. Raises ValueError for nothing."""
    import numpy as np

    return _interval(*_by_cluster(np.array(values, dtype=float), clusters))


def _by_cluster(
    values: NDArray[np.float64], clusters: Sequence[str] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and count of each cluster's values."""
    import numpy as np

    if not len(values):
        raise ValueError("there is nothing to compare")
    if clusters is None:
        return values, np.ones(len(values))
    if len(clusters) != len(values):
        raise ValueError(f"{len(values)} values, and clusters for {len(clusters)}")
    places = np.unique(np.array(clusters), return_inverse=True)[1]
    return np.bincount(places, values).astype(float), np.bincount(places).astype(float)


def _interval(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> tuple[float, float]:
    import numpy as np

    chance = np.random.default_rng(SEED)
    drawn = (chance.integers(0, len(sums), (size, len(sums))) for size in _portions(len(sums)))
    means = np.concatenate([sums[one].sum(axis=1) / counts[one].sum(axis=1) for one in drawn])
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _flipped(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of differences if it were chance which of the two was the new one, cluster by cluster.

    All ways to flip where they are few; the first is the one that was seen, so no p-value is zero.
    """
    import numpy as np

    if 2 ** len(sums) <= RESAMPLES:
        ways = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1
        return np.asarray((1 - 2 * ways) @ sums)
    chance = np.random.default_rng(SEED)
    drawn = (chance.integers(0, 2, (size, len(sums))) for size in _portions(len(sums)))
    return np.concatenate([sums.sum(keepdims=True), *((1 - 2 * one) @ sums for one in drawn)])


def _portions(width: int) -> Iterator[int]:
    """RESAMPLES, in pieces that fit into memory however many clusters there are."""
    left, size = RESAMPLES, max(1, AT_ONCE // width)
    while left > 0:
        yield min(size, left)
        left -= size


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean())
