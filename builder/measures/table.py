"""An evaluation in; the mean of every measure of every arm, with its interval, out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from lorekeeper.domain import Arm, ArmScore, Evaluation
from lorekeeper.paired import interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """One cell of the table. The interval covers 95 %, by bootstrap of whole conversations."""

    arm: Arm
    measure: str
    mean: float
    low: float
    high: float
    answers: int


def means(evaluation: Evaluation) -> list[Mean]:
    """Loss and token F1 first, then every other measure, arm by arm."""
    return [
        _mean(score.arm, name, values, evaluation.conversations)
        for score in evaluation.arms
        for name, values in _of(score)
        if values
    ]


def _of(score: ArmScore) -> list[tuple[str, Sequence[float]]]:
    return [("nll", score.nll), ("f1", score.f1), *sorted(score.measures.items())]


def _mean(arm: Arm, name: str, values: Sequence[float], conversations: Sequence[str]) -> Mean:
    low, high = interval(values, conversations[: len(values)])
    return Mean(arm=arm, measure=name, mean=fmean(values), low=low, high=high, answers=len(values))
