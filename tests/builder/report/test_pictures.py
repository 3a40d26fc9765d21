"""The pictures of a run: one chart for each thing that was measured."""

from __future__ import annotations

import io
from dataclasses import replace

import findings
from PIL import Image

from builder.report.evidence import Curve, Grown, Loss
from builder.report.page import page
from builder.report.pictures import charts, picture, svg
from lorekeeper.domain import Asked, Stages, TaskArm, TaskScore, Transfer


def test_there_is_a_chart_for_each_thing_that_was_measured() -> None:
    names = [chart.name for chart in charts(findings.evidence())]
    assert names == ["against-base", "arms", "losses", "questions", "forgetting", "bias"]
    less = findings.evidence(training=(), validation=(), best_step=None)
    assert "losses" not in [chart.name for chart in charts(less)]


def test_each_chart_says_in_words_what_it_shows() -> None:
    said = {chart.name: chart.words for chart in charts(findings.evidence())}
    assert said["losses"].startswith("From 2.975 at step 1 to 2.000 at step 40.")
    assert "The best step was 30." in said["losses"]
    assert "tuned + retrieval" in said["against-base"]


def test_the_same_evidence_gives_the_same_chart() -> None:
    first, again = (svg(charts(findings.evidence())[2]) for _ in range(2))
    assert first == again


def test_the_picture_for_slack_is_a_png_of_a_readable_size() -> None:
    drawn = Image.open(io.BytesIO(picture(findings.evidence())))
    assert drawn.format == "PNG"
    assert drawn.width == 1600


def test_a_run_of_one_step_and_names_in_mathematics_are_drawn() -> None:
    few = findings.evidence(adapter="$v_3", training=(Loss(step=1, loss=2.0),), validation=())
    assert picture(few)


def test_a_learning_curve_tasks_and_stages_have_their_charts() -> None:
    grown = [Grown(rows=n, loss=3 - n / 100, low=2.5, high=3.5) for n in (12, 25, 50, 100)]
    arms = tuple(
        TaskArm(asked=asked, value=value, low=value - 0.1, high=value + 0.1, rows=(1.0, 0.0))
        for asked, value in ((Asked.BASE, 0.4), (Asked.TUNED, 0.8))
    )
    triage = TaskScore(
        task="triage", metric="accuracy", higher_is_better=True, version="v", inputs=("in",),
        references=("out",), groups=("g", "h"), arms=arms,
    )  # fmt: skip
    stages = Stages(
        names=("docs", "team"), rows=(9, 9), losses=((3.0, 3.0), (2.0, 2.9), (2.2, 1.5)),
        transfers=(Transfer(stage="docs", mean=0.2, low=0.1, high=0.3),),
    )  # fmt: skip
    found = findings.evidence(
        curve=Curve(points=tuple(grown[:3]), ahead=grown[3], base=3.2),
        evaluation=replace(findings.evaluation(), tasks=(triage,), stages=stages),
    )
    said = {chart.name: chart.words for chart in charts(found)}
    assert "forecast for 100: 2.000" in said["curve"]
    assert "triage: tuned 0.800 (0.700 to 0.900)" in said["tasks"]
    assert "docs +0.200" in said["stages"]
    assert picture(found)
    shown = page(found)
    assert "The task triage" in shown
    assert "<td>tuned</td><td>0.800</td><td>0.700 to 0.900</td>" in shown
