"""Each metric against what was published, and its paired difference against a known one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.tasks import metrics
from builder.tasks.spec import Task, checked
from lorekeeper.domain import Asked, TaskScore
from lorekeeper.paired import paired, paired_totals

LABELS = ("bug", "idea", "question")


def labelled(metric: str) -> Task:
    return checked(name="triage", metric=metric, source="tags", labels=LABELS)


def test_rouge_l_is_that_of_its_paper() -> None:
    # Lin 2004, section 3.1: S1, S2 and S3.
    reference = "police killed the gunman"
    assert metrics.rouge_l("police kill the gunman", reference) == pytest.approx(3 / 4)
    assert metrics.rouge_l("the gunman kill police", reference) == pytest.approx(2 / 4)


def test_rouge_l_reads_words_of_every_script() -> None:
    assert metrics.rouge_l("Größe ändern", "größe ändern") == 1
    assert metrics.rouge_l("поезд опоздал", "поезд ушёл") == pytest.approx(1 / 2)


def test_macro_f1_is_that_of_scikit_learns_documentation() -> None:
    # sklearn.metrics.f1_score, example: y_true = [0, 1, 2, 0, 1, 2], y_pred = [0, 2, 1, 0, 0, 1].
    wanted, told = list("012012"), list("021001")
    assert metrics.macro_f1(told, wanted) == pytest.approx(0.2666, abs=1e-4)
    assert metrics.accuracy(told, wanted) == pytest.approx(2 / 6)


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from((*LABELS, ""))), min_size=1))
def test_macro_f1_of_totals_is_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    wanted, told = [a for a, _ in pairs], [b for _, b in pairs]
    totals = metrics.counts(told, wanted).sum(0)
    assert metrics.f1_of(totals) == pytest.approx(metrics.macro_f1(told, wanted))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=14))
def test_swapping_answers_is_flipping_signs_where_the_measure_is_a_mean(
    pairs: list[tuple[bool, bool]],
) -> None:
    new, old = np.array(pairs, dtype=float).T
    clusters = [str(number // 2) for number in range(len(pairs))]
    ones = np.ones(len(pairs))
    swapped = paired_totals(
        lambda totals: totals[..., 0] / totals[..., 1],
        np.column_stack([new, ones]), np.column_stack([old, ones]), clusters,
    )  # fmt: skip
    flipped = paired(new, old, clusters)
    assert swapped.mean == pytest.approx(flipped.mean)
    assert swapped.p_higher == pytest.approx(flipped.p_higher)
    assert swapped.p_lower == pytest.approx(flipped.p_lower)


def test_a_label_outside_the_known_ones_is_wrong_and_counted() -> None:
    answers = ["Bug.", "**idea**", "Question: why?", "no idea", "bug\nbecause it crashes"]
    wanted = ["bug", "idea", "question", "idea", "bug"]
    arm = metrics.score(labelled("accuracy"), Asked.BASE, answers, wanted, list("abcde"))
    assert arm.rows == (1, 1, 0, 0, 1)
    assert arm.value == pytest.approx(3 / 5)
    assert arm.outside == 2
    assert arm.low <= arm.value <= arm.high


def test_an_answer_in_another_format_is_wrong_and_counted() -> None:
    task = checked(name="ticket", metric="exact", source="pairs", format=r"[A-Z]+-\d+")
    arm = metrics.score(
        task,
        Asked.TUNED,
        ["OPS-1", "It is OPS-2", "ops-3"],
        ["OPS-1", "OPS-2", "OPS-3"],
        list("abc"),
    )
    assert arm.rows == (1, 0, 0)
    assert arm.outside == 2


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_a_difference_between_two_ways_of_asking_has_its_sign(metric: str) -> None:
    wanted = [LABELS[number % 3] for number in range(30)]
    groups = [str(number) for number in range(30)]
    right = metrics.score(labelled(metric), Asked.TUNED, wanted, wanted, groups)
    wrong = metrics.score(labelled(metric), Asked.BASE, ["bug"] * 30, wanted, groups)
    score = TaskScore(
        task="triage", metric=metric, higher_is_better=True, version="", inputs=(),
        references=tuple(wanted), groups=tuple(groups), arms=(wrong, right),
    )  # fmt: skip
    found = metrics.compare(score, right, wrong)
    assert found.mean == pytest.approx(right.value - wrong.value)
    assert found.low > 0
    assert found.p_higher < 0.01 < 0.99 < found.p_lower
    assert metrics.compare(score, right, right).p_higher == 1


def test_a_loss_is_its_mean_with_an_interval() -> None:
    arm = metrics.score_losses(Asked.BASE, [1.0, 2.0, 3.0], list("abc"))
    assert arm.value == 2
    assert arm.low < 2 < arm.high
    assert not arm.answers
