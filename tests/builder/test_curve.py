"""A learning curve on a tiny model: nested shares, an answer in words, points that outlive a cancelled run."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from sqlalchemy import Engine

from builder import curve, train
from builder.curve import Point
from builder.curve_picture import PICTURE
from builder.job import Job
from builder.power_law import Forecast
from builder.retrain import request
from lorekeeper import settings as config
from lorekeeper.domain import Goal, Run
from lorekeeper.errors import BadInput, Cancelled
from lorekeeper.store import reading, runs

QUICK = {"epochs": 2, "rank": 4, "quantization": "none", "with_passages": 0, "validation": 0}


@pytest.fixture
def rules(data: Path, base: Path) -> config.Settings:
    return tiny.settings(data, base)


def claimed(engine: Engine, rules: config.Settings) -> Run:
    request(engine, rules, by="me", options=QUICK, goal=Goal.CURVE)
    return tiny.claimed(engine)


@pytest.mark.timeout(900)  # trains several times; a loaded machine is no defect
def test_finished_points_outlive_a_cancelled_run_and_the_curve_says_what_it_means(
    engine: Engine, rules: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.approve(engine, 34)
    rows: list[set[int]] = []
    trained = curve.instruction.train

    def cancelled_at_the_third(job: Job) -> object:
        rows.append({row.pair_id for row in job.train})
        if len(rows) == 3:
            raise Cancelled("Run 1 was cancelled.", fix="Its points are kept.")
        return trained(job)

    monkeypatch.setattr(curve.instruction, "train", cancelled_at_the_third)
    first = claimed(engine, rules)
    with pytest.raises(Cancelled):
        train.reach(engine, rules, first.id, "worker")
    with engine.begin() as db:
        runs.request_cancel(db, first.id, "me")
        runs.reap(db, -1.0)
    again = claimed(engine, rules)
    train.reach(engine, rules, again.id, "worker")
    assert len(rows) == 5  # two points, the one that was cancelled, and the two that were missing
    smallest, quarter, _, half, everything = rows
    assert smallest < quarter < half < everything
    with reading(engine) as db:
        found = runs.get(db, again.id).found
    assert found is not None
    assert f"{len(everything)} rows" in found
    assert "more answers" in found.lower()
    picture = rules.store.data / "runs" / str(again.id) / PICTURE
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_too_few_rows_for_a_curve_are_refused(engine: Engine, rules: config.Settings) -> None:
    tiny.approve(engine, 20)
    with pytest.raises(BadInput, match="a learning curve needs 24"):
        train.reach(engine, rules, claimed(engine, rules).id, "worker")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.09, -0.03, "More answers would help: 200 instead of 100"),
        (-0.009, 0.002, "More answers would hardly help"),
        (-0.09, 0.01, "cannot be told yet"),
    ],
)
def test_the_interval_decides_what_is_said(low: float, high: float, said: str) -> None:
    points = [Point(share=1.0, rows=100, losses=(2.0, 2.2))]
    ahead = Forecast(rows=200, loss=2.05, change=-0.05, low=low, high=high)
    told = curve.told(points, ahead, base=2.5)
    assert said in told
    assert "base 2.500, 100 rows 2.100" in told
