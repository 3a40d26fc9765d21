"""The pictures of a run: one chart for each thing that was measured."""

from __future__ import annotations

import io

import findings
from PIL import Image

from builder.report.evidence import Loss
from builder.report.pictures import charts, picture, svg


def test_there_is_a_chart_for_each_thing_that_was_measured() -> None:
    names = [chart.name for chart in charts(findings.evidence())]
    assert names == ["against-base", "arms", "losses", "questions", "forgetting"]
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
