"""A learning curve's points and its forecast in; a picture of them, as PNG, out."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from builder import power_law
from lorekeeper.paired import interval

if TYPE_CHECKING:
    from builder.curve import Point
    from builder.power_law import Forecast

PICTURE = "curve.png"  # in the folder of the run that drew it
INK, POINTS, AHEAD, BASE = "#1d1c1d", "#3b2f63", "#b3261e", "#8d8d8d"


def picture(points: Sequence[Point], ahead: Forecast, base: float) -> bytes:
    """Held-out loss over rows, with 95 % intervals, the fitted law, and twice the data; 1200 × 700 pixels."""
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), dpi=100, layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.set_title("Would more answers help?", loc="left", fontsize=18, color=INK)
    rows = [point.rows for point in points]
    losses = [point.loss for point in points]
    spans = [interval(point.losses) for point in points]
    around = [
        [loss - low for loss, (low, _) in zip(losses, spans, strict=True)],
        [high - loss for loss, (_, high) in zip(losses, spans, strict=True)],
    ]
    law = power_law.fit(rows, losses)
    sizes = np.geomspace(rows[0], ahead.rows, 100)
    axes.axhline(base, color=BASE, linestyle=":", label="base with retrieval")
    axes.plot(sizes, [law.loss(size) for size in sizes], color=POINTS, alpha=0.5, label="fitted")
    axes.errorbar(rows, losses, yerr=around, fmt="o", color=POINTS, capsize=4, label="measured")
    off = [[ahead.change - ahead.low], [ahead.high - ahead.change]]
    axes.errorbar(
        [ahead.rows], [ahead.loss], yerr=np.clip(off, 0, None), fmt="D", color=AHEAD, capsize=4,
        label=f"forecast for {ahead.rows} rows",
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks([*rows, ahead.rows], [str(size) for size in [*rows, ahead.rows]])
    axes.minorticks_off()
    axes.set_xlabel("answers trained on", fontsize=13, color=INK)
    axes.set_ylabel("held-out loss, nats per answer token", fontsize=13, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=12)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return drawn.getvalue()
