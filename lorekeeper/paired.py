"""What two ways scored on the same questions in; their mean difference, and how sure it is, out. Pure.

Differences are paired by question and resampled by cluster: answers of one conversation are not
independent evidence (Miller, "Adding Error Bars to Evals", 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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


Measure = Callable[["NDArray[np.float64]"], "NDArray[np.float64]"]
"""Makes a value of totals: [..., columns] to [...]. Macro-F1 is one, of true and false positives."""


def paired_totals(
    measure: Measure,
    new: NDArray[np.float64],
    old: NDArray[np.float64],
    clusters: Sequence[str],
) -> Difference:
    """As `paired`, for a measure that is no mean of single questions but is made of totals.

    `new` and `old` are [questions, columns]. The interval is by bootstrap of whole clusters, the
    p-values by swapping what the two ways answered in whole clusters (approximate randomisation,
    Noreen 1989; Yeh 2000). For a mean this is flipping the sign of its differences.

    Raises:
        ValueError: the shapes differ, or there is nothing.
    """
    import numpy as np

    if new.shape != old.shape:
        raise ValueError(f"{new.shape} and {old.shape} do not pair")
    sums, before = _totals(new, clusters), _totals(old, clusters)
    found = float(measure(sums.sum(0)) - measure(before.sum(0)))
    drawn = np.concatenate([measure(w @ sums) - measure(w @ before) for w in _weights(len(sums))])
    low, high = np.quantile(drawn, (0.025, 0.975))
    moved = [flips @ (before - sums) for flips in _swaps(len(sums))]
    swapped = np.concatenate(
        [measure(sums.sum(0) + by) - measure(before.sum(0) - by) for by in moved]
    )
    least = 1e-12
    return Difference(
        mean=found,
        low=float(low),
        high=float(high),
        p_lower=_share(swapped <= found + least),
        p_higher=_share(swapped >= found - least),
        deviation=float(drawn.std() * np.sqrt(len(new))),
        questions=len(new),
    )


def interval_totals(
    measure: Measure, rows: NDArray[np.float64], clusters: Sequence[str]
) -> tuple[float, float]:
    """The 95 % interval of a measure of totals, by bootstrap of whole clusters."""
    import numpy as np

    sums = _totals(rows, clusters)
    drawn = np.concatenate([measure(weights @ sums) for weights in _weights(len(sums))])
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def interval(values: Sequence[float], clusters: Sequence[str] | None = None) -> tuple[float, float]:
    """The 95 % interval of the mean, by bootstrap of whole clusters. Raises ValueError for nothing."""
    import numpy as np

    return _interval(*_by_cluster(np.array(values, dtype=float), clusters))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values as they count where any of them may decide: at 5 %, all together err in 5 % of cases.

    Holm's step-down ("A Simple Sequentially Rejective Multiple Test Procedure", 1979): the smallest times
    their number, the next times one less, and so on, none below the one before.
    """
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = floor
    return adjusted


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


def _totals(rows: NDArray[np.float64], clusters: Sequence[str]) -> NDArray[np.float64]:
    """[questions, columns] as [clusters, columns]."""
    import numpy as np

    if not len(rows) or len(clusters) != len(rows):
        raise ValueError(f"{len(rows)} rows, and clusters for {len(clusters)}")
    places = np.unique(np.array(clusters), return_inverse=True)[1]
    sums = np.zeros((int(places.max()) + 1, rows.shape[1]))
    np.add.at(sums, places, rows)
    return sums


def _weights(clusters: int) -> Iterator[NDArray[np.float64]]:
    """How often each cluster is drawn in each resample: pieces of [resamples, clusters]."""
    import numpy as np

    chance = np.random.default_rng(SEED)
    for size in _portions(clusters):
        yield chance.multinomial(clusters, np.full(clusters, 1 / clusters), size).astype(float)


def _swaps(clusters: int) -> Iterator[NDArray[np.float64]]:
    """Which clusters change sides: every way where they are few, and first the one that was seen."""
    import numpy as np

    if 2**clusters <= RESAMPLES:
        yield (np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1).astype(float)
        return
    chance = np.random.default_rng(SEED)
    yield np.zeros((1, clusters))
    yield from (chance.integers(0, 2, (n, clusters)).astype(float) for n in _portions(clusters))


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

    return np.concatenate([(1 - 2 * ways) @ sums for ways in _swaps(len(sums))])


def _portions(width: int) -> Iterator[int]:
    """RESAMPLES, in pieces that fit into memory however many clusters there are."""
    left, size = RESAMPLES, max(1, AT_ONCE // width)
    while left > 0:
        yield min(size, left)
        left -= size


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean())
