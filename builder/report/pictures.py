"""A run's evidence in; its charts, as SVG for the page and as one PNG for Slack, out."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.report import evidence as told
from builder.report.evidence import Curve, Evidence, Loss
from lorekeeper.domain import Arm, Outcome, Stages
from lorekeeper.paired import Difference, interval, paired

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#1d1c1e", "#6b6a6e", "#d9d8dd"
FIRST, SECOND, BETTER, WORSE = "#4a3f8f", "#c77d1e", "#1a7f4b", "#b3261e"
ON_PAGE = {
    INK: "--ink", MUTED: "--muted", GRID: "--line", FIRST: "--first", SECOND: "--second",
    BETTER: "--better", WORSE: "--worse",
}  # fmt: skip
"""Colours of a chart, and the page's variables for them: dark where the reader's device is dark."""
LINES = (FIRST, SECOND, BETTER, WORSE, MUTED)
WIDE = 4.9  # inches of a chart on the page: 350 points, so that its text can be read on a phone
SMOOTHED = 0.85  # weight of what was before, in the line through the training losses
OUTCOMES = {
    Outcome.PROMOTE: ("promoted: it answers better", BETTER),
    Outcome.KEEP: ("kept out: what is served stays", WORSE),
    Outcome.UNDECIDED: ("undecided: too little evidence", SECOND),
    Outcome.FOR_TASK: ("for its task: it does that better", FIRST),
}

Row = tuple[str, float, float, float]
"""A name, a value, and the ends of its 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Something to draw, with what it says in words."""

    name: str
    title: str
    words: str  # for who does not see it
    rows: float  # inches high
    draw: Callable[[Axes], None]


def charts(evidence: Evidence) -> list[Chart]:
    """The charts of everything that was measured, the most important first."""
    return [
        *_against_base(evidence),
        *_arms(evidence),
        *_losses(evidence),
        *_by_question(evidence),
        *_forgetting(evidence),
        *_bias(evidence),
        *_curve(evidence),
        *_tasks(evidence),
        *_stages(evidence),
    ]


def svg(chart: Chart) -> str:
    """The chart as SVG whose colours are the page's."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style = {"svg.fonttype": "none", "svg.hashsalt": chart.name, "text.parse_math": False}
    with mpl.rc_context({**style, "font.family": "sans-serif"}):
        figure = Figure(figsize=(WIDE, chart.rows), layout="constrained")
        figure.patch.set_alpha(0)
        chart.draw(_plain(figure.subplots()))
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    text = drawn.getvalue()
    text = text[text.index("<svg") :]
    for colour, variable in ON_PAGE.items():
        text = text.replace(colour, f"var({variable})")
    return text


def picture(evidence: Evidence) -> bytes:
    """All charts on one PNG, 1600 pixels wide, with the verdict above."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    found = charts(evidence)
    rows = math.ceil(len(found) / 2)
    with mpl.rc_context({"text.parse_math": False}):
        figure = Figure(
            figsize=(16, 1.2 + 4.4 * rows), dpi=100, layout="constrained", facecolor="white"
        )
        _headline(figure, evidence)
        places = list(figure.subplots(rows, 2, squeeze=False).flat)
        for chart, axes in zip(found, places, strict=False):
            axes.set_title(chart.title, loc="left", fontsize=14, color=INK)
            chart.draw(_plain(axes))
        for axes in places[len(found) :]:
            axes.set_axis_off()
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png")
    return drawn.getvalue()


def _headline(figure: Figure, evidence: Evidence) -> None:
    words, colour = OUTCOMES[evidence.verdict.outcome]
    figure.suptitle(f"{evidence.title}, {words}", fontsize=20, color=colour, x=0.01, ha="left")


def _arms(evidence: Evidence) -> list[Chart]:
    """Loss of each arm, with its interval."""
    evaluation = evidence.evaluation
    rows = [
        (score.arm.value, score.mean_nll, *interval(score.nll, evaluation.conversations))
        for score in evaluation.arms
        if score.nll
    ]
    return _intervals(
        "arms",
        "Loss on held-out answers (less is better)",
        "Nats per answer token, with",
        rows,
        "nats per answer token",
    )


def _against_base(evidence: Evidence) -> list[Chart]:
    """Each arm minus base + retrieval, question by question."""
    evaluation = evidence.evaluation
    found = {score.arm: score.nll for score in evaluation.arms}
    base = found.get(Arm.RETRIEVAL)
    if not base:
        return []
    rows = []
    for arm, nll in found.items():
        if arm is not Arm.RETRIEVAL and len(nll) == len(base):
            one = paired(nll, base, evaluation.conversations)
            rows.append((arm.value, one.mean, one.low, one.high))
    return _intervals(
        "against-base",
        "Against base + retrieval (left of the line is better)",
        "Difference in nats per answer token, with",
        rows,
        "difference in nats, paired",
        zero=True,
    )


def _intervals(
    name: str, title: str, lead: str, rows: Sequence[Row], label: str, *, zero: bool = False
) -> list[Chart]:
    """Values with their intervals, one below the other; with `zero` they are differences."""
    if not rows:
        return []
    sign = "+" if zero else ""
    words = "; ".join(
        f"{what} {mean:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"
        for what, mean, low, high in rows
    )
    return [
        Chart(
            name=name,
            title=title,
            words=f"{lead} 95 % intervals: {words}.",
            rows=0.9 + 0.42 * len(rows),
            draw=lambda axes: _dots(axes, rows, f"{label}, 95 % interval", zero=zero),
        )
    ]


def _dots(axes: Axes, rows: Sequence[Row], label: str, *, zero: bool = False) -> None:
    for place, (_, mean, low, high) in enumerate(rows):
        colour = FIRST
        if zero:
            colour = BETTER if high < 0 else WORSE if low > 0 else MUTED
        axes.plot([low, high], [place, place], color=colour, linewidth=3, solid_capstyle="round")
        axes.plot([mean], [place], "o", color=colour, markersize=9)
        shown = f"{mean:+.3f}" if zero else f"{mean:.3f}"
        axes.annotate(
            shown.replace("-", "−"), (mean, place), (0, 9), textcoords="offset points", ha="center",
            color=INK, fontsize=10,
        )  # fmt: skip
    if zero:
        axes.axvline(0, color=MUTED, linewidth=1)
    axes.set_yticks(range(len(rows)), [_short(name) for name, *_ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.7)
    axes.margins(x=0.12)
    axes.set_xlabel(label)
    axes.grid(axis="x", color=GRID, linewidth=0.8)


def _losses(evidence: Evidence) -> list[Chart]:
    if not evidence.training:
        return []
    first, last = evidence.training[0], evidence.training[-1]
    checked = (
        f" Checked on answers kept apart: from {evidence.validation[0].loss:.3f} to"
        f" {evidence.validation[-1].loss:.3f}."
        if evidence.validation
        else ""
    )
    best = f" The best step was {evidence.best_step}." if evidence.best_step is not None else ""
    return [
        Chart(
            name="losses",
            title="Loss while it learned",
            words=f"From {first.loss:.3f} at step {first.step} to {last.loss:.3f} at step {last.step}.{checked}{best}",
            rows=3.2,
            draw=lambda axes: _draw_losses(axes, evidence),
        )
    ]


def _draw_losses(axes: Axes, evidence: Evidence) -> None:
    steps = [one.step for one in evidence.training]
    axes.plot(steps, [one.loss for one in evidence.training], color=FIRST, alpha=0.3, linewidth=1)
    axes.plot(
        steps, _smooth(evidence.training), color=FIRST, linewidth=2.2, label="training, smoothed"
    )
    if evidence.validation:
        axes.plot(
            [one.step for one in evidence.validation],
            [one.loss for one in evidence.validation],
            "o-", color=SECOND, linewidth=2.2, markersize=5, label="validation",
        )  # fmt: skip
    if evidence.best_step is not None:
        axes.axvline(
            evidence.best_step, color=BETTER, linewidth=1.5, linestyle="--", label="best step"
        )
    axes.set_xlabel("step")
    axes.set_ylabel("nats per answer token")
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.legend(frameon=False, labelcolor=INK)


def _smooth(losses: Sequence[Loss]) -> list[float]:
    """An exponential mean that starts without bias (Kingma & Ba 2015, section 3)."""
    mean, weight, smooth = 0.0, 0.0, []
    for one in losses:
        mean = SMOOTHED * mean + (1 - SMOOTHED) * one.loss
        weight = SMOOTHED * weight + (1 - SMOOTHED)
        smooth.append(mean / weight)
    return smooth


def _by_question(evidence: Evidence) -> list[Chart]:
    """Every held-out question's difference, sorted."""
    differences = sorted(told.nats(evidence.evaluation))
    if len(differences) < 2:
        return []
    better = sum(one < 0 for one in differences)
    return [
        Chart(
            name="questions",
            title="Question by question (below the line is better)",
            words=f"{better} of {len(differences)} held-out questions became likelier to be answered well.",
            rows=2.6,
            draw=lambda axes: _draw_questions(axes, differences),
        )
    ]


def _draw_questions(axes: Axes, differences: Sequence[float]) -> None:
    colours = [BETTER if one < 0 else WORSE for one in differences]
    axes.bar(range(len(differences)), differences, width=1.0, color=colours, linewidth=0)
    axes.axhline(0, color=MUTED, linewidth=1)
    axes.set_xticks([])
    axes.set_xlabel(f"{len(differences)} held-out questions, sorted")
    axes.set_ylabel("difference in nats")
    axes.grid(axis="y", color=GRID, linewidth=0.8)


def _forgetting(evidence: Evidence) -> list[Chart]:
    """General questions of each kind, before and after."""
    probes = [one for one in evidence.evaluation.probes if one.before]
    rows = [_row(one.kind, paired(one.after, one.before)) for one in probes]
    return _changed("forgetting", "What it forgot (right of the line is worse)", rows)


def _bias(evidence: Evidence) -> list[Chart]:
    """How differently it treats texts that differ only in who is meant, beside how the base does."""
    rows = [
        _row(one.kind, paired([*map(abs, one.after)], [*map(abs, one.before)], one.templates))
        for one in evidence.evaluation.bias
        if one.before
    ]
    return _changed("bias", "How it tells people apart (right of the line is worse)", rows)


def _changed(name: str, title: str, rows: Sequence[Row]) -> list[Chart]:
    """A change by kind, where above zero is worse."""
    return _intervals(
        name,
        title,
        "Nats per token, tuned minus base, with",
        rows,
        "difference in nats, tuned minus base",
        zero=True,
    )


def _row(name: str, found: Difference) -> Row:
    return name, found.mean, found.low, found.high


def _curve(evidence: Evidence) -> list[Chart]:
    """Loss by the number of answers that were learned from, and the forecast."""
    found = evidence.curve
    if found is None:
        return []
    seen = ", ".join(f"{point.rows} answers {point.loss:.3f}" for point in found.points)
    return [
        Chart(
            name="curve",
            title="Would more answers help?",
            words=f"Held-out loss: {seen}; forecast for {found.ahead.rows}: {found.ahead.loss:.3f}.",
            rows=3.0,
            draw=lambda axes: _draw_curve(axes, found),
        )
    ]


def _draw_curve(axes: Axes, found: Curve) -> None:
    for points, colour, label in (
        (found.points, FIRST, "measured"),
        ((found.ahead,), SECOND, f"forecast for {found.ahead.rows}"),
    ):
        rows = [point.rows for point in points]
        axes.vlines(rows, [p.low for p in points], [p.high for p in points], colour, linewidth=2)
        axes.plot(rows, [p.loss for p in points], "o", color=colour, markersize=8, label=label)
    axes.axhline(found.base, color=MUTED, linestyle=":", label="base + retrieval")
    sizes = [*(point.rows for point in found.points), found.ahead.rows]
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("answers learned from")
    axes.set_ylabel("nats per answer token")
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.legend(frameon=False, labelcolor=INK)


def _tasks(evidence: Evidence) -> list[Chart]:
    """Every task in every way that it was answered; losses are in the table only."""
    rows = [
        (f"{score.task}: {arm.asked.value}", arm.value, arm.low, arm.high)
        for score in evidence.evaluation.tasks
        if score.higher_is_better
        for arm in score.arms
    ]
    return _intervals(
        "tasks",
        "Each task by its own metric (more is better)",
        "With",
        rows,
        "the task's metric",
    )


def _stages(evidence: Evidence) -> list[Chart]:
    """The loss on every stage's held-out rows, after each stage."""
    found = evidence.evaluation.stages
    if found is None:
        return []
    told = "; ".join(
        f"{one.stage} {one.mean:+.3f} ({one.low:+.3f} to {one.high:+.3f})"
        for one in found.transfers
    )
    return [
        Chart(
            name="stages",
            title="What later stages did to earlier ones",
            words=f"Nats per token after the last stage minus after its own, above 0 is forgotten: {told}.",
            rows=3.0,
            draw=lambda axes: _draw_stages(axes, found),
        )
    ]


def _draw_stages(axes: Axes, found: Stages) -> None:
    moments = ["untrained", *found.names]
    for number, name in enumerate(found.names):
        axes.plot(
            range(len(moments)),
            [losses[number] for losses in found.losses],
            "o-", color=LINES[number % len(LINES)], linewidth=2.2, label=_short(name),
        )  # fmt: skip
    axes.set_xticks(range(len(moments)), [_short(moment) for moment in moments])
    axes.set_xlabel("after this stage")
    axes.set_ylabel("nats per token, held out")
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.legend(frameon=False, labelcolor=INK)


def _plain(axes: Axes) -> Axes:
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(colors=INK, labelsize=10.5, length=0)
    axes.xaxis.label.set(color=MUTED, fontsize=10)
    axes.yaxis.label.set(color=MUTED, fontsize=10)
    return axes


def _short(name: str) -> str:
    return textwrap.fill(textwrap.shorten(name, 44, placeholder="…"), 22)
