"""An evaluation in; promote, keep or undecided, with the reasons in words and numbers, out. Pure.

Differences are paired by question and resampled by conversation: answers of one conversation are
not independent evidence (Miller, "Adding Error Bars to Evals", 2024).
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from lorekeeper.domain import Arm, Evaluation, Outcome, Verdict
from lorekeeper.settings import Train

RESAMPLES = 10_000
SEED = 20_240_501  # the same evaluation always gets the same verdict
FEWEST = 8  # conversations; with fewer, one odd answer turns the verdict
POWER = 2.8  # 1.96 + 0.84: two-sided 5 %, power 80 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The mean of paired differences (new minus old; below zero is better) and how sure it is."""

    mean: float
    low: float  # 95 % interval
    high: float
    p_better: float  # one-sided p-value of "not better"
    p_worse: float
    deviation: float  # of one question's difference
    questions: int


def judge(
    evaluation: Evaluation, rules: Train, *, serving: Sequence[float] | None = None
) -> Verdict:
    """Is tuned + retrieval better than base + retrieval, and than what is served now?

    `serving` is the loss of the adapter that is served, with retrieval, on the same questions;
    None where the base serves.
    """
    tuned = evaluation.arm(Arm.TUNED_RETRIEVAL).nll
    rivals: list[tuple[str, Sequence[float]]] = [
        ("base + retrieval", evaluation.arm(Arm.RETRIEVAL).nll)
    ]
    if serving is not None:
        rivals.append(("the adapter that is served now", serving))
    findings = [
        _compare(name, paired(tuned, old, evaluation.conversations), rules) for name, old in rivals
    ]
    findings.append(_forgetting(evaluation, rules))
    findings += _too_few(evaluation)
    return Verdict(
        outcome=_worst([outcome for outcome, _ in findings]),
        reasons=tuple(reason for _, reason in findings),
    )


def _too_few(evaluation: Evaluation) -> list[tuple[Outcome, str]]:
    found = len(set(evaluation.conversations))
    if found >= FEWEST:
        return []
    told = (
        f"Only {found} conversations are held out; with fewer than {FEWEST}, nothing is promoted."
    )
    return [(Outcome.UNDECIDED, told)]


def paired(new: Sequence[float], old: Sequence[float], clusters: Sequence[str]) -> Difference:
    """The mean difference: its interval by bootstrap, its p-values by sign flips, both of whole clusters.

    A bootstrap of five questions that all agree would claim certainty; flipping signs cannot claim
    more than one in two to the fifth.

    Raises:
        ValueError: the sequences differ in length, or are empty.
    """
    differences = [a - b for a, b in zip(new, old, strict=True)]
    if not differences:
        raise ValueError("there is nothing to compare")
    grouped: dict[str, list[float]] = defaultdict(list)
    for cluster, difference in zip(clusters, differences, strict=True):
        grouped[cluster].append(difference)
    means = sorted(_resampled(list(grouped.values())))
    flipped = _flipped(list(grouped.values()))
    return Difference(
        mean=_mean(differences),
        low=means[int(0.025 * len(means))],
        high=means[int(0.975 * len(means)) - 1],
        p_better=_share([m <= _mean(differences) for m in flipped]),
        p_worse=_share([m >= _mean(differences) for m in flipped]),
        deviation=_deviation(differences),
        questions=len(differences),
    )


def _resampled(groups: list[list[float]]) -> list[float]:
    sums = [(sum(group), len(group)) for group in groups]
    chance = random.Random(SEED)  # noqa: S311 - statistics, not secrets
    means = []
    for _ in range(RESAMPLES):
        drawn = chance.choices(sums, k=len(sums))
        means.append(sum(total for total, _ in drawn) / sum(count for _, count in drawn))
    return means


def _flipped(groups: list[list[float]]) -> list[float]:
    """Mean differences if it were chance which of the two was the new one, cluster by cluster."""
    sums, count = [sum(group) for group in groups], sum(map(len, groups))
    if 2 ** len(sums) <= RESAMPLES:
        signs: Iterable[Sequence[int]] = product((1, -1), repeat=len(sums))
    else:
        chance = random.Random(SEED)  # noqa: S311 - statistics, not secrets
        signs = (chance.choices((1, -1), k=len(sums)) for _ in range(RESAMPLES))
    return [sum(s * total for s, total in zip(each, sums, strict=True)) / count for each in signs]


def _compare(name: str, found: Difference, rules: Train) -> tuple[Outcome, str]:
    told = (
        f"{found.mean:+.3f} nats per token against {name} "
        f"(95 % interval {found.low:+.3f} to {found.high:+.3f}, {found.questions} questions)"
    )
    if found.p_better < rules.significance:
        return Outcome.PROMOTE, f"Better: {told}, p = {found.p_better:.4f}."
    if found.p_worse < rules.significance:
        return Outcome.KEEP, f"Worse: {told}, p = {found.p_worse:.4f}."
    return Outcome.UNDECIDED, f"Too close to call: {told}.{_how_many(found)}"


def _how_many(found: Difference) -> str:
    """How many questions would settle a difference of this size (a paired t-test's rule)."""
    if not found.mean or not found.deviation:
        return ""
    needed = math.ceil((POWER * found.deviation / abs(found.mean)) ** 2)
    return f" About {needed} held-out questions would settle a difference of this size."


def _forgetting(evaluation: Evaluation, rules: Train) -> tuple[Outcome, str]:
    """General text must not have become harder by more than the rule allows."""
    before, after = evaluation.probe_nll_before, evaluation.probe_nll_after
    if not before:
        return Outcome.UNDECIDED, "Forgetting was not measured, so nothing can be promoted."
    found = paired(after, before, [str(number) for number in range(len(before))])
    told = (
        f"general questions {found.mean:+.3f} nats per token "
        f"(95 % interval {found.low:+.3f} to {found.high:+.3f}; allowed {rules.max_forgetting:+.3f})"
    )
    if found.mean > rules.max_forgetting:
        return Outcome.KEEP, f"It forgot: {told}."
    return Outcome.PROMOTE, f"Nothing of weight was forgotten: {told}."


def _worst(outcomes: Sequence[Outcome]) -> Outcome:
    order = (Outcome.KEEP, Outcome.UNDECIDED, Outcome.PROMOTE)
    return min(outcomes, key=order.index)


def _share(flags: Sequence[bool]) -> float:
    """At least one in all: a finite number of tries shows no probability of zero."""
    return max(1, sum(flags)) / len(flags)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _deviation(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1))
