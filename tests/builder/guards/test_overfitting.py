"""The gap is how much better training rows were learned than held-out ones."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from builder.guards.overfitting import gaps
from lorekeeper.domain import Arm, ArmScore, Evaluation, Learned

MANY = 10


def evaluation(heldout_after: Sequence[float], trained_after: float = 1.0) -> Evaluation:
    names = tuple(str(number) for number in range(MANY))
    base = (3.0,) * MANY
    losses = dict.fromkeys(Arm, base) | {Arm.TUNED: tuple(heldout_after)}
    return Evaluation(
        questions=names, references=names, conversations=names, precision="float32",
        times=tuple(float(number) for number in range(MANY)),
        arms=tuple(ArmScore(arm=arm, nll=nll, f1=(), answers=()) for arm, nll in losses.items()),
        learned=Learned(
            conversations=names, times=tuple(float(n) for n in range(MANY)),
            before=(2.0,) * MANY, after=(trained_after,) * MANY,
        ),
    )  # fmt: skip


def test_easier_training_rows_are_no_gap() -> None:
    assert gaps(evaluation([2.0] * MANY))[0].size == pytest.approx(0.0)


def test_newer_questions_can_gain_less_than_older_ones() -> None:
    found = {gap.rows: gap for gap in gaps(evaluation([2.0] * 5 + [3.0] * 5))}
    assert found["oldest half"].size == pytest.approx(0.0)
    assert found["newest half"].size == pytest.approx(1.0)
    assert found["all"].heldout_interval[0] < 0.5 < found["all"].heldout_interval[1]


def test_nothing_is_said_where_training_rows_were_not_scored() -> None:
    nothing = Evaluation(questions=(), references=(), conversations=(), arms=(), precision="x")
    assert gaps(nothing) == []
