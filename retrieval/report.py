"""Evaluations in; tables for the terminal and a picture out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from retrieval.evaluate import SERVED, Change, Evaluation
from retrieval.measure import MEASURES

POWER = 2.8  # 1.96 + 0.84: two-sided 5 %, power 80 %
BAR = 32  # characters from 0 to 1
STYLES = {"better": "green", "worse": "red", "noise": "dim"}
COLOURS = ("#9aa5b1", "#6c8ebf", "#2f6fb0", "#b0622f", "#1f7a4d")


def arms_table(evaluation: Evaluation) -> Table:
    """Each way of searching with its means and, of nDCG@10, the 95 % interval as a bar."""
    k = next(iter(evaluation.arms.values())).k
    table = Table(
        title=f"{evaluation.name}: {len(evaluation.questions)} questions, {evaluation.passages} passages"
    )
    for name in ("", "nDCG@10", "95 %", "", "MRR@10", f"recall@{k}"):
        table.add_column(name, justify="right" if name else "left")
    for arm, scores in evaluation.arms.items():
        low, high = scores.interval("ndcg", evaluation.clusters)
        ndcg, mrr, recall = (f"{scores.mean(measure):.3f}" for measure in MEASURES)
        style = "bold" if arm == SERVED else ""
        table.add_row(
            arm,
            ndcg,
            f"{low:.3f}–{high:.3f}",
            _bar(low, scores.mean("ndcg"), high),
            mrr,
            recall,
            style=style,
        )
    return table


def changes_table(changes: Sequence[Change]) -> Table:
    """Each change with its difference in nDCG@10 and what that is worth."""
    table = Table(title="nDCG@10, as served, beside the present settings")
    for name in ("change", "difference", "95 %", "verdict"):
        table.add_column(name)
    for change in changes:
        found, verdict = change.found, change.verdict
        table.add_row(
            Text(change.name),
            f"{found.mean:+.3f}",
            f"{found.low:+.3f} to {found.high:+.3f}",
            Text(verdict + _how_many(change), style=STYLES[verdict]),
        )
    return table


def picture(evaluations: Sequence[Evaluation], path: Path) -> None:
    """A PNG: for each evaluation, every way of searching as a point with its 95 % interval."""
    from matplotlib.figure import Figure

    rows = sum(len(one.arms) + 1 for one in evaluations)
    figure = Figure(figsize=(8, 0.6 + 0.32 * rows), layout="constrained")
    axes = figure.add_subplot()
    names, at = list[str](), 0
    for evaluation in evaluations:
        axes.text(0.005, at, evaluation.name, weight="bold", va="center", fontsize=9)
        names.append("")
        for number, (arm, scores) in enumerate(evaluation.arms.items(), 1):
            mean, (low, high) = scores.mean("ndcg"), scores.interval("ndcg", evaluation.clusters)
            colour = COLOURS[(number - 1) % len(COLOURS)] if arm != SERVED else COLOURS[-1]
            axes.plot((low, high), (at + number,) * 2, color=colour, linewidth=3, alpha=0.6)
            axes.plot(mean, at + number, "o", color=colour)
            axes.annotate(f"{mean:.3f}", (mean, at + number), (0, 5), textcoords="offset points",
                          ha="center", fontsize=7)  # fmt: skip
            names.append(arm)
        at += len(evaluation.arms) + 1
    axes.set(xlim=(0, 1.02), ylim=(at - 0.5, -0.8), xlabel="nDCG@10, with 95 % interval")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(path, dpi=150)


def _bar(low: float, mean: float, high: float) -> Text:
    """From 0 to 1: the interval as a line, the mean as a point on it."""
    start, point, end = (round(value * (BAR - 1)) for value in (low, mean, high))
    signs = ("●" if at == point else "━" if start <= at <= end else "·" for at in range(BAR))
    return Text("".join(signs), style="blue")


def _how_many(change: Change) -> str:
    """How many questions would settle a difference of this size (a paired t-test's rule)."""
    found = change.found
    if change.verdict != "noise" or not found.mean or not found.deviation:
        return ""
    needed = math.ceil((POWER * found.deviation / abs(found.mean)) ** 2)
    return f": about {needed} questions would settle a difference of this size"
