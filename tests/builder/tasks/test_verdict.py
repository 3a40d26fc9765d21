"""Whether an adapter is for its task, in words with the numbers."""

from __future__ import annotations

import pytest

from builder.tasks.metrics import score, score_losses
from builder.tasks.spec import checked
from builder.tasks.verdict import against, judge
from lorekeeper.domain import Asked, Outcome, TaskArm, TaskScore

LABELS = ("bug", "idea", "question")


def scored(base: list[str], tuned: list[str], wanted: list[str], *, groups: int = 0) -> TaskScore:
    task = checked(name="triage", metric="macro_f1", source="tags", labels=LABELS)
    names = [str(number % (groups or len(wanted))) for number in range(len(wanted))]
    arms = [
        score(task, asked, answers, wanted, names)
        for asked, answers in (
            (Asked.BASE, base), (Asked.PROMPTED, base), (Asked.TUNED, tuned),
        )
    ]  # fmt: skip
    return _score("macro_f1", True, wanted, names, arms)


def _score(
    metric: str, higher: bool, wanted: list[str], groups: list[str], arms: list[TaskArm]
) -> TaskScore:
    return TaskScore(
        task="triage", metric=metric, higher_is_better=higher, version="", inputs=(),
        references=tuple(wanted), groups=tuple(groups), arms=tuple(arms),
    )  # fmt: skip


WANTED = [LABELS[number % 3] for number in range(30)]


def test_an_adapter_that_is_better_than_both_is_for_its_task() -> None:
    verdict = judge(scored(["bug"] * 30, WANTED, WANTED), significance=0.05)
    assert verdict.outcome is Outcome.FOR_TASK
    assert verdict.reasons[0].startswith(
        "Better at triage: macro_f1 1.000 against 0.167 of the base (difference +0.833,"
    )
    assert "the base with examples" in verdict.reasons[1]


def test_an_adapter_that_is_worse_is_kept_out() -> None:
    assert judge(scored(WANTED, ["bug"] * 30, WANTED), significance=0.05).outcome is Outcome.KEEP


def test_a_close_call_decides_nothing() -> None:
    verdict = judge(scored(WANTED, WANTED, WANTED), significance=0.05)
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.reasons[0].startswith("Too close to call at triage")


def test_few_groups_decide_nothing_however_clear() -> None:
    verdict = judge(scored(["bug"] * 30, WANTED, WANTED, groups=6), significance=0.05)
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.reasons[-1] == (
        "Only 6 groups of rows are held out; with fewer than 8, nothing is decided."
    )


def test_labels_that_are_none_are_told() -> None:
    verdict = judge(scored(["help!"] * 30, WANTED, WANTED), significance=0.05)
    assert verdict.reasons[-1] == (
        "Answers that are no known label, or not in the format: base 30, base, with examples 30."
    )


@pytest.mark.parametrize(("tuned", "word"), [(1.0, "Better"), (3.0, "Worse")])
def test_of_a_loss_less_is_better(tuned: float, word: str) -> None:
    groups = [str(number) for number in range(12)]
    arms = [
        score_losses(Asked.BASE, [2.0] * 12, groups),
        score_losses(Asked.TUNED, [tuned] * 12, groups),
        score_losses(Asked.SINGLE, [2.0] * 12, groups),
    ]
    score = _score("loss", False, ["x"] * 12, groups, arms)
    assert judge(score, significance=0.05).reasons[0].startswith(f"{word} at triage: loss")
    told = against(score, Asked.SINGLE, significance=0.05)
    assert "of tuned on this task alone" in told
    assert against(score, Asked.PROMPTED, significance=0.05) == ""
