"""A run's evidence in; the short rows of words and numbers that its page and its card show, out."""

from __future__ import annotations

import math

from builder.guards.memorisation import shares
from builder.guards.overfitting import gaps
from builder.measures.table import means
from builder.report.evidence import Evidence
from lorekeeper.domain import Sourced, Stages, TaskScore
from lorekeeper.paired import interval
from lorekeeper.quantities import duration, size

PLANNED = {
    "whole": "the whole run",
    "training": "training",
    "steps": "steps",
    "rows": "rows learned from",
    "memory": "peak memory",
}
"""What a plan foretells, in words."""


def facts(evidence: Evidence) -> list[tuple[str, str]]:
    """What the run was, in pairs of name and value."""
    about, evaluation = evidence.about, evidence.evaluation
    split = f"{evidence.train} pairs to train on, {evidence.heldout} held out"
    questions = f"{len(evaluation.questions)} held-out questions"
    rows = [
        ("base model", about.get("base_model", "")),
        ("recipe", (about.get("recipe") or {}).get("about", "")),
        ("dataset", f"{evidence.dataset}: {split}" if evidence.dataset else ""),
        ("judged on", f"{questions}, at {evaluation.precision}, as it is served"),
        ("hardware", ", ".join(about.get("hardware") or ())),
        ("energy and cost", evidence.energy.told if evidence.energy else ""),
    ]
    return [(name, value) for name, value in rows if value]


def arms_rows(evidence: Evidence) -> list[tuple[str, str, str, str]]:
    """Name, loss, its interval, and F1 of each arm."""
    clusters = evidence.evaluation.conversations
    rows = []
    for score in evidence.evaluation.arms:
        low, high = interval(score.nll, clusters) if score.nll else (math.nan, math.nan)
        between = f"{number(low)} to {number(high)}"
        rows.append((score.arm.value, number(score.mean_nll), between, number(score.mean_f1)))
    return rows


def measure_rows(evidence: Evidence) -> list[tuple[str, list[str]]]:
    """Every measure beside loss and F1: its mean for each arm, in the arms' order."""
    found = {(one.measure, one.arm): one for one in means(evidence.evaluation)}
    names = dict.fromkeys(name for name, _ in found if name not in {"nll", "f1"})
    arms = [score.arm for score in evidence.evaluation.arms]
    return [
        (name, [number(found[name, arm].mean) if (name, arm) in found else "–" for arm in arms])
        for name in names
    ]


def heart_rows(evidence: Evidence) -> list[tuple[str, str, str]]:
    """What comes out word for word, of the base and tuned."""
    found = evidence.evaluation.memorised
    if found is None or not found.trained.words:
        return []
    said = shares(evidence.evaluation)
    rows = [
        (
            f"{name} answers given back word for word",
            f"{said[f'{key}, base']:.0%}",
            f"{said[key]:.0%}",
        )
        for name, key in (("training", "trained"), ("held-out", "heldout"))
    ]
    people = f"{len(found.people)}" if found.people else "none"
    return [
        *rows,
        ("people whose words were given back", "", people),
        ("answers with a placeholder of the training answer", "", str(found.placeholders)),
        ("answers with a secret of the training answer", "", str(found.secrets)),
    ]


def source_rows(evidence: Evidence) -> list[tuple[str, ...]]:
    """How the answers of each arm stand to the passages: with the right one among them, and without it."""
    return [
        (one.arm.value, *(f"{share:.0%}" for share in _shares(one)))
        for one in evidence.evaluation.sourced
    ]


def _shares(one: Sourced) -> tuple[float, ...]:
    return one.cites_with, one.cites_without, one.declines_with, one.declines_without


def gap_rows(evidence: Evidence) -> list[tuple[str, str, str, str]]:
    """What the loss fell by on training and on held-out rows, and the gap between."""
    return [
        (one.rows, f"{one.trained:+.3f}", f"{one.heldout:+.3f}", f"{one.size:+.3f}")
        for one in gaps(evidence.evaluation)
    ]


def task_rows(score: TaskScore) -> list[tuple[str, str, str, str]]:
    """How a task was asked, its metric, the interval, and how many answers were none of the labels."""
    return [
        (
            f"{arm.asked.value} ({arm.adapter})" if arm.adapter else arm.asked.value,
            number(arm.value),
            f"{number(arm.low)} to {number(arm.high)}",
            str(arm.outside) if arm.outside else "",
        )
        for arm in score.arms
    ]


def stage_rows(stages: Stages) -> list[tuple[str, ...]]:
    """When it was measured, and the loss on each stage's held-out rows then."""
    names = ("before training", *(f"after {name}" for name in stages.names))
    return [(name, *map(number, losses)) for name, losses in zip(names, stages.losses, strict=True)]


def plan_rows(evidence: Evidence) -> list[tuple[str, str, str, str]]:
    """What was planned, what it came to, and by how much that is off."""
    rows = []
    for name in (name for name in PLANNED if name in {*evidence.planned, *evidence.real}):
        planned, real = evidence.planned.get(name), evidence.real.get(name)
        off = f"{(real - planned) / planned:+.0%}" if planned and real is not None else ""
        rows.append((PLANNED[name], _amount(name, planned), _amount(name, real), off))
    return rows


def again(evidence: Evidence) -> str:
    """The command that makes the same adapter again, on the same device from the same data."""
    return f"lore train --again {evidence.run}"


def number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"


def _amount(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name in {"whole", "training"}:
        return duration(value)
    return size(int(value)) if name == "memory" else f"{value:,.0f}"
