"""A judged model and its scores in; the answers to the questions that moved furthest, out.

The answers that every arm gives are to the newest questions, so that their mean is of no choice of
ours. These are to the questions where tuning changed most, for people to read side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from builder import evaluate
from builder.dataset import Row
from builder.library import Library
from builder.report.evidence import Told, nats
from lorekeeper.domain import Arm, Evaluation

if TYPE_CHECKING:
    from builder.meter import Report
    from builder.scoring import Judged


def told(
    judged: Judged,
    library: Library,
    questions: Sequence[Row],
    scores: Evaluation,
    *,
    most: int,
    report: Report = lambda done, of, what: None,
) -> tuple[Told, ...]:
    """Base + retrieval and tuned + retrieval on `most` questions: half of them the most improved, half the
    most harmed. What was answered already is not asked again."""
    numbers = _furthest(nats(scores), most)
    written = {arm: scores.arm(arm).answers for arm in (Arm.RETRIEVAL, Arm.TUNED_RETRIEVAL)}
    done = min(map(len, written.values()))
    missing = [number for number in numbers if number >= done]
    report(0, 2, "answering what moved furthest")
    made = {
        arm: dict(zip(missing, _answers(judged, library, questions, missing, arm), strict=True))
        for arm in written
    }
    for arm, answers in written.items():
        made[arm] |= {number: answers[number] for number in numbers if number < done}
    return tuple(
        Told(
            question=number,
            before=made[Arm.RETRIEVAL][number],
            after=made[Arm.TUNED_RETRIEVAL][number],
        )
        for number in numbers
    )


def _furthest(differences: Sequence[float], most: int) -> list[int]:
    order = sorted(range(len(differences)), key=differences.__getitem__)
    better = [number for number in order if differences[number] < 0][: most - most // 2]
    worse = [number for number in reversed(order) if differences[number] > 0][: most // 2]
    return sorted({*better, *worse})


def _answers(
    judged: Judged, library: Library, questions: Sequence[Row], numbers: Sequence[int], arm: Arm
) -> list[str]:
    prompts = [evaluate.prompt_for(arm, questions[number], library) for number in numbers]
    return evaluate.answer_as(judged, arm, prompts)
