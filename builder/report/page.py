"""A run's evidence in; one self-contained HTML page, without scripts and without requests, out.

Everything that people or models wrote is escaped by the template; only our own charts are not.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from builder.report import evidence as told
from builder.report.evidence import Evidence
from builder.report.pictures import OUTCOMES, charts, svg
from builder.report.rows import (
    again,
    arms_rows,
    facts,
    gap_rows,
    heart_rows,
    measure_rows,
    plan_rows,
    source_rows,
    stage_rows,
    task_rows,
)

if TYPE_CHECKING:
    from jinja2 import Template

SIDE_BY_SIDE = 8  # questions each way
LISTED = 200  # pairs of a list


def page(evidence: Evidence, *, since: list[str] | None = None) -> str:
    """The page. `since` are lines about what happened after the run: decisions, people's votes."""
    from markupsafe import Markup

    better, worse = told.moved(evidence, SIDE_BY_SIDE)
    drawn = {chart.name: (chart, Markup(svg(chart))) for chart in charts(evidence)}  # noqa: S704 - our own
    return _template().render(
        evidence=evidence,
        outcome=OUTCOMES[evidence.verdict.outcome][0],
        ended=datetime.fromtimestamp(evidence.at, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        facts=facts(evidence),
        charts=drawn,
        arms=arms_rows(evidence),
        tasks=[(score, task_rows(score)) for score in evidence.evaluation.tasks],
        stages=evidence.evaluation.stages,
        stage_rows=stage_rows(evidence.evaluation.stages) if evidence.evaluation.stages else [],
        plan=plan_rows(evidence),
        measured_arms=[score.arm.value for score in evidence.evaluation.arms],
        measures=measure_rows(evidence),
        heart=heart_rows(evidence),
        gaps=gap_rows(evidence),
        sources=source_rows(evidence),
        moved=(("Better", better), ("Worse", worse)),
        changes=[(what, _of_kind(evidence, what)) for what in ("new", "gone", "reworded")],
        again=again(evidence),
        about=json.dumps(evidence.about, indent=2, sort_keys=True),
        since=since or [],
        listed=LISTED,
    )


def _of_kind(evidence: Evidence, what: str) -> list[told.Changed]:
    return [one for one in evidence.changes if one.what == what]


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    options: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(
        loader=PackageLoader("builder.report"),
        autoescape=True,
        undefined=StrictUndefined,
        **options,
    )
    return environment.get_template("report.html")
