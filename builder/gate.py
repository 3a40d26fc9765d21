"""An evaluation in; promote, keep or undecided, with the reasons in words and numbers, out. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lorekeeper.domain import Arm, Evaluation, Outcome, Verdict
from lorekeeper.paired import Difference, paired
from lorekeeper.settings import Train

FEWEST = 8  # conversations; with fewer, one odd answer turns the verdict
POWER = 2.8  # 1.96 + 0.84: two-sided 5 %, power 80 %


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


def _compare(name: str, found: Difference, rules: Train) -> tuple[Outcome, str]:
    told = (
        f"{found.mean:+.3f} nats per token against {name} "
        f"(95 % interval {found.low:+.3f} to {found.high:+.3f}, {found.questions} questions)"
    )
    if found.p_lower < rules.significance:
        return Outcome.PROMOTE, f"Better: {told}, p = {found.p_lower:.4f}."
    if found.p_higher < rules.significance:
        return Outcome.KEEP, f"Worse: {told}, p = {found.p_higher:.4f}."
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
