"""Answers and references in; each row's score, the task's value with its interval, and the paired
difference of two ways of asking, out.

Accuracy and macro-F1 are scikit-learn's, ROUGE-L is Google's `rouge-score` (with words of every
script, where its own tokenizer keeps a-z alone).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from builder.tasks.spec import Metric, Task, plain
from lorekeeper.domain import Asked, TaskArm, TaskScore
from lorekeeper.paired import Difference, interval, interval_totals, paired, paired_totals
from lorekeeper.text import normalise, token_f1, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NONE = ""  # what an answer counts as that is no label and in no format


def score(
    task: Task,
    asked: Asked,
    answers: Sequence[str],
    references: Sequence[str],
    groups: Sequence[str],
) -> TaskArm:
    """Hold generated answers against the references. Raises ValueError for none."""
    told = [understood(task, answer) for answer in answers]
    rows = [_row(task, a, b) for a, b in zip(told, references, strict=True)]
    if task.metric is Metric.MACRO_F1:
        value = macro_f1(told, references)
        low, high = interval_totals(f1_of, counts(told, references), groups)
    else:
        value = accuracy(told, references) if task.is_labelled else sum(rows) / len(rows)
        low, high = interval(rows, groups)
    return TaskArm(
        asked=asked,
        value=value,
        low=low,
        high=high,
        rows=tuple(rows),
        answers=tuple(answers),
        outside=told.count(NONE) if task.is_labelled or task.format else 0,
    )


def score_losses(asked: Asked, losses: Sequence[float], groups: Sequence[str]) -> TaskArm:
    """Nats per token of each reference, and their mean."""
    low, high = interval(losses, groups)
    value = sum(losses) / len(losses)
    return TaskArm(asked=asked, value=value, low=low, high=high, rows=tuple(losses))


def compare(score: TaskScore, new: TaskArm, old: TaskArm) -> Difference:
    """How much higher the value of one way of asking is than that of another, paired by row."""
    if score.metric != Metric.MACRO_F1:
        return paired(new.rows, old.rows, score.groups)
    there = {plain(label): label for label in score.references}
    told = ([there.get(plain(answer), NONE) for answer in arm.answers] for arm in (new, old))
    after, before = (counts(labels, score.references) for labels in told)
    return paired_totals(f1_of, after, before, score.groups)


def understood(task: Task, answer: str) -> str:
    """The label that an answer means, or the answer where it has the wanted format, or NONE."""
    if task.is_labelled:
        return {plain(label): label for label in task.labels}.get(plain(answer), NONE)
    if task.format and not re.fullmatch(task.format, answer.strip()):
        return NONE
    return answer


def accuracy(told: Sequence[str], references: Sequence[str]) -> float:
    """Share of labels that are right."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(list(references), list(told)))


def macro_f1(told: Sequence[str], references: Sequence[str]) -> float:
    """Mean F1 of the labels that the references hold."""
    from sklearn.metrics import f1_score

    there = sorted(set(references))
    return float(
        f1_score(list(references), list(told), labels=there, average="macro", zero_division=0)
    )


def rouge_l(told: str, wanted: str) -> float:
    """F1 of the longest common subsequence of words, in their order and with gaps (Lin 2004)."""
    return float(_rouge().score(wanted, told)["rougeL"].fmeasure)


def f1_of(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Macro-F1 of [..., labels × (right, told, wanted)], over the labels that are wanted.

    A resample without a label says nothing of it.
    """
    import numpy as np

    right, told, wanted = np.moveaxis(totals.reshape(*totals.shape[:-1], -1, 3), -1, 0)
    each = 2 * right / np.maximum(told + wanted, 1)
    there = wanted > 0
    return np.asarray(np.where(there, each, 0).sum(-1) / np.maximum(there.sum(-1), 1))


def counts(told: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """[rows, labels × (right, told, wanted)] of the labels that the references hold."""
    import numpy as np

    there = sorted(set(references))
    made = np.zeros((len(told), len(there), 3))
    for row, (a, b) in enumerate(zip(told, references, strict=True)):
        for at, label in enumerate(there):
            made[row, at] = (a == b == label, a == label, b == label)
    return made.reshape(len(told), -1)


def _row(task: Task, told: str, wanted: str) -> float:
    if task.metric is Metric.ROUGE_L:
        return rouge_l(told, wanted)
    if task.metric is Metric.TOKEN_F1:
        return token_f1(told, wanted)
    return float(told == wanted if task.is_labelled else normalise(told) == normalise(wanted))


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_Words())


class _Words:
    def tokenize(self, text: str) -> list[str]:
        return words(text)
