"""An evaluation in; how far training rows were learned better than held-out ones, out. Pure.

What a row's loss fell by is compared, not what it is: training rows may be easier. A gap that is larger
for the newest rows than for the oldest says that what is asked has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from lorekeeper.domain import Arm, Evaluation
from lorekeeper.paired import interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What the loss fell by on training rows and on held-out ones, in nats per token, with 95 % intervals."""

    rows: str  # "all", "oldest half", "newest half"
    trained: float
    trained_interval: tuple[float, float]
    heldout: float
    heldout_interval: tuple[float, float]

    @property
    def size(self) -> float:
        """0: what was learned holds for new questions; large: it was learned by heart."""
        return self.trained - self.heldout


@dataclass(frozen=True, slots=True)
class _Gains:
    """By how much each row's loss fell."""

    gains: tuple[float, ...]
    conversations: tuple[str, ...]
    times: tuple[float, ...]

    def where(self, keep: Sequence[bool]) -> _Gains:
        places = [place for place, kept in enumerate(keep) if kept]
        return _Gains(
            tuple(self.gains[place] for place in places),
            tuple(self.conversations[place] for place in places),
            tuple(self.times[place] for place in places),
        )


def gaps(evaluation: Evaluation) -> list[Gap]:
    """The gap over all rows, then over the older and the newer half of the held-out ones; empty where training rows were not scored."""
    learned = evaluation.learned
    if learned is None or not learned.before or not evaluation.questions:
        return []
    base, tuned = evaluation.arm(Arm.BASE).nll, evaluation.arm(Arm.TUNED).nll
    trained = _Gains(_falls(learned.before, learned.after), learned.conversations, learned.times)
    heldout = _Gains(_falls(base, tuned), evaluation.conversations, evaluation.times)
    found = [_gap("all", trained, heldout)]
    if not heldout.times or len(set(heldout.times)) < 2:
        return found
    for name, is_new in (("oldest half", False), ("newest half", True)):
        old_or_new = [_half(part, is_new) for part in (trained, heldout)]
        if all(part.gains for part in old_or_new):
            found.append(_gap(name, *old_or_new))
    return found


def _half(part: _Gains, is_new: bool) -> _Gains:
    """The older or the newer half of its own times."""
    middle = median(part.times)
    return part.where([(time > middle) == is_new for time in part.times])


def _gap(rows: str, trained: _Gains, heldout: _Gains) -> Gap:
    return Gap(
        rows=rows,
        trained=fmean(trained.gains),
        trained_interval=interval(trained.gains, trained.conversations),
        heldout=fmean(heldout.gains),
        heldout_interval=interval(heldout.gains, heldout.conversations),
    )


def _falls(before: Sequence[float], after: Sequence[float]) -> tuple[float, ...]:
    return tuple(old - new for old, new in zip(before, after, strict=True))
