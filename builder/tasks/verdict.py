"""A task's scores in; whether its adapter is better at it than the base, in words and numbers, out. Pure."""

from __future__ import annotations

from builder.tasks.metrics import compare
from lorekeeper.domain import Asked, Outcome, TaskArm, TaskScore, Verdict
from lorekeeper.paired import Difference

FEWEST = 8  # groups; with fewer, one odd row turns the verdict
RIVALS = {Asked.BASE: "the base", Asked.PROMPTED: "the base with examples"}


def judge(score: TaskScore, *, significance: float) -> Verdict:
    """Is the adapter better at its task than the base with its instruction alone, and with examples?

    Better than both: it is for its task. It never becomes the assistant's by itself.
    """
    tuned = score.arm(Asked.TUNED)
    assert tuned is not None
    findings = [
        _against(score, tuned, rival, significance)
        for asked in RIVALS
        if (rival := score.arm(asked)) is not None
    ]
    if len(set(score.groups)) < FEWEST:
        told = f"Only {len(set(score.groups))} groups of rows are held out; with fewer than {FEWEST}, nothing is decided."
        findings.append((Outcome.UNDECIDED, told))
    order = (Outcome.KEEP, Outcome.UNDECIDED, Outcome.FOR_TASK)
    outcome = min((outcome for outcome, _ in findings), key=order.index)
    return Verdict(outcome=outcome, reasons=(*(told for _, told in findings), *_outside(score)))


def against(score: TaskScore, asked: Asked, *, significance: float) -> str:
    """The adapter beside another way of asking, in one sentence; "" where that was not done."""
    tuned, rival = score.arm(Asked.TUNED), score.arm(asked)
    if tuned is None or rival is None:
        return ""
    return _against(score, tuned, rival, significance)[1]


def _against(
    score: TaskScore, tuned: TaskArm, rival: TaskArm, significance: float
) -> tuple[Outcome, str]:
    found = compare(score, tuned, rival)
    better, worse = (
        (found.p_higher, found.p_lower)
        if score.higher_is_better
        else (found.p_lower, found.p_higher)
    )
    told = _told(score, tuned, rival, found)
    if better < significance:
        return Outcome.FOR_TASK, f"Better at {score.task}: {told}, p = {better:.4f}."
    if worse < significance:
        return Outcome.KEEP, f"Worse at {score.task}: {told}, p = {worse:.4f}."
    return Outcome.UNDECIDED, f"Too close to call at {score.task}: {told}."


def _told(score: TaskScore, tuned: TaskArm, rival: TaskArm, found: Difference) -> str:
    name = RIVALS.get(rival.asked, rival.asked.value)
    return (
        f"{score.metric} {tuned.value:.3f} against {rival.value:.3f} of {name}"
        f" (difference {found.mean:+.3f}, 95 % interval {found.low:+.3f} to {found.high:+.3f},"
        f" {found.questions} rows in {len(set(score.groups))} groups)"
    )


def _outside(score: TaskScore) -> list[str]:
    found = [f"{arm.asked.value} {arm.outside}" for arm in score.arms if arm.outside]
    return (
        [f"Answers that are no known label, or not in the format: {', '.join(found)}."]
        if found
        else []
    )
