"""The gate promotes on evidence alone."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from builder.gate import FEWEST, judge
from lorekeeper.domain import Arm, ArmScore, Evaluation, Outcome, Probe
from lorekeeper.settings import Train

LOSSES = st.lists(st.floats(0.1, 10), min_size=FEWEST, max_size=30)
GENERAL = (2.0,) * 24


def evaluation(
    tuned: Sequence[float], old: Sequence[float], after: Sequence[float] = GENERAL
) -> Evaluation:
    names = tuple(str(number) for number in range(len(old)))
    losses = dict.fromkeys(Arm, old) | {Arm.TUNED_RETRIEVAL: tuned}
    return Evaluation(
        questions=names,
        references=names,
        conversations=names,
        arms=tuple(ArmScore(arm=arm, nll=tuple(n), f1=(), answers=()) for arm, n in losses.items()),
        precision="float32",
        probes=(Probe(kind="reasoning", before=GENERAL, after=tuple(after)),),
    )


@given(LOSSES)
def test_the_same_is_never_promoted(old: list[float]) -> None:
    assert judge(evaluation(old, old), Train()).outcome is Outcome.UNDECIDED


def test_better_everywhere_is_promoted_and_says_by_how_much() -> None:
    old = [3.0 + n / 10 for n in range(20)]
    verdict = judge(evaluation([n - 0.2 for n in old], old), Train())
    assert verdict.outcome is Outcome.PROMOTE
    assert "-0.200 nats" in verdict.reasons[0]


def test_worse_is_kept_out() -> None:
    old = [3.0 + n / 10 for n in range(20)]
    assert judge(evaluation([n + 0.2 for n in old], old), Train()).outcome is Outcome.KEEP


def test_better_than_the_base_but_not_than_what_serves() -> None:
    old = [3.0] * 20
    better = [2.5] * 20
    verdict = judge(evaluation(better, old), Train(), serving=[2.4] * 20)
    assert verdict.outcome is Outcome.KEEP
    assert any("served now" in reason for reason in verdict.reasons)


def test_forgetting_blocks() -> None:
    old = [3.0] * 20
    verdict = judge(evaluation([2.0] * 20, old, after=[2.2] * 24), Train(max_forgetting=0.1))
    assert verdict.outcome is Outcome.KEEP
    assert any("became worse: reasoning" in reason for reason in verdict.reasons)


def test_a_close_call_says_how_many_questions_would_settle_it() -> None:
    old = [3.0] * 20
    mixed = [3.0 + (0.5 if n % 2 else -0.7) for n in range(20)]
    verdict = judge(evaluation(mixed, old), Train())
    assert verdict.outcome is Outcome.UNDECIDED
    assert "more held-out questions would settle" in verdict.reasons[0]


def test_a_handful_of_conversations_decides_nothing() -> None:
    verdict = judge(evaluation([2.0] * 5, [3.0] * 5), Train())
    assert verdict.outcome is Outcome.UNDECIDED
