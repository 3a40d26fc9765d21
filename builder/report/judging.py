"""Answers of two ways in; what the judge model says of them, where there is one, and if not why, out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from builder.dataset import Row
from builder.report.judge import Answers, Judgement, judge
from lorekeeper.domain import PUBLIC, Arm, Compared, Evaluation
from lorekeeper.errors import NotReachable
from lorekeeper.settings import Judge

log = structlog.get_logger(__name__)


def judged(
    scores: Evaluation,
    questions: Sequence[Row],
    rules: Judge,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> Judgement | None:
    """Of the questions that every arm answered, those that were asked in public channels; None without a
    judge. A judge that does not answer ends no run: the report says so.
    """
    if not rules.url:
        return None
    one, other = Arm.RETRIEVAL, Arm.TUNED_RETRIEVAL
    answers = [
        Answers(question=row.question, one=before, other=after, reference=row.answer)
        for row, before, after in zip(
            questions, scores.arm(one).answers, scores.arm(other).answers, strict=False
        )
        if row.scope == PUBLIC
    ]
    return _judged(answers, rules, f"base + {one.value}", other.value, report)


def compared(found: Sequence[Compared], rules: Judge, *, one: str, other: str) -> Judgement:
    """Of the answers of two adapters that people voted on."""
    answers = [
        Answers(question=each.question, one=each.one_answer or "", other=each.other_answer or "")
        for each in found
    ]
    return _judged(answers, rules, one, other, lambda done, of: None)


def _judged(
    answers: Sequence[Answers],
    rules: Judge,
    one: str,
    other: str,
    report: Callable[[int, int], None],
) -> Judgement:
    try:
        return judge(answers, rules, one=one, other=other, report=report)
    except NotReachable as error:
        log.warning("the judge gave no opinion", what=error.what)
        return Judgement(model=rules.model, one=one, other=other, error=error.what)
