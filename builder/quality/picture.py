"""A quality report in; a picture of it, as PNG, out."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from builder.quality.advice import advice, told
from builder.quality.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = 8
ADVICE = 5
INK, BAR, WARN = "#1d1c1d", "#3b2f63", "#b3261e"


def picture(report: Report, title: str) -> bytes:
    """Five charts and the first advice, 1600 × 1000 pixels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 10), dpi=100, layout="constrained", facecolor="white")
    counted = "1 pair" if report.pairs == 1 else f"{report.pairs} pairs"
    figure.suptitle(f"{title}: {counted}", fontsize=20, color=INK)
    ((topics, kinds, languages), (troubles, voices, todo)) = figure.subplots(2, 3)
    _bars(topics, "Topics", {one.name: len(one.pairs) for one in report.topics})
    _bars(kinds, "Kinds of question", report.kinds)
    _bars(languages, "Languages", report.languages)
    _bars(troubles, "To look at", _troubles(report), colour=WARN)
    _bars(voices, "Whose words (pairs)", report.authors)
    _advice(todo, report)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return drawn.getvalue()


def _troubles(report: Report) -> dict[str, int]:
    return {
        "contradictions": len(report.contradictions),
        "duplicates": len(report.duplicates),
        "too long": len(report.too_long),
        "far longer": len(report.outliers),
        "old": len(report.stale),
        "with placeholders": sum(report.placeholders.values()),
    }


def _bars(axes: Axes, title: str, counts: Mapping[str, int], *, colour: str = BAR) -> None:
    axes.set_title(title, loc="left", fontsize=14, color=INK)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    if not counts:
        axes.set_axis_off()
        axes.text(0, 0.5, "none", fontsize=12, color=INK)
        return
    shown = list(counts.items())[:BARS]
    names = [textwrap.shorten(name, 34, placeholder="…") for name, _ in shown]
    places = range(len(shown))
    drawn = axes.barh(places, [count for _, count in shown], color=colour)
    axes.set_yticks(places, names, fontsize=11)
    axes.bar_label(drawn, padding=3, fontsize=11)
    axes.set_xticks([])
    axes.set_ylim(BARS - 0.5, -0.5)  # a bar is as thick among few as among many


def _advice(axes: Axes, report: Report) -> None:
    axes.set_title("What to do first", loc="left", fontsize=14, color=INK)
    axes.set_axis_off()
    lines = [
        textwrap.fill(f"{number}. {told(one)}", 52)
        for number, one in enumerate(advice(report)[:ADVICE], 1)
    ]
    shown = "\n\n".join(lines) or "Nothing stands out."
    axes.text(0, 1, shown, fontsize=12, color=INK, va="top", parse_math=False)
