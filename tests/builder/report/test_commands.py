"""`lore report` and `lore compare`: what a person in a terminal reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import findings
import pytest
from sqlalchemy import Engine, insert

from builder.report import evidence
from lorekeeper import cli
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Arm, Choice, ComparisonState, Evaluation
from lorekeeper.store import adapters, comparisons, deployments, open_database, runs
from lorekeeper.tables import datasets


@pytest.fixture
def made(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """v1, and v2, which does better on every question."""
    engine = open_database(f"sqlite:///{data / 'lorekeeper.sqlite'}")
    monkeypatch.setenv("LORE_STORE__DATA", str(data))
    monkeypatch.setenv("COLUMNS", "160")
    about = {"name": "d1", "hash": "h", "folder": "f", "train": 1, "heldout": 1}
    with engine.begin() as db:
        db.execute(insert(datasets).values(**about, created_by="U1", created_at=1))
    for shift in (0.0, -0.5):
        _adapter(engine, data, shift)
    yield engine
    engine.dispose()


def _adapter(engine: Engine, data: Path, shift: float) -> None:
    scores = _shifted(findings.evaluation(), shift)
    found = findings.evidence(adapter="", evaluation=scores)
    with ArtifactStore(data).write("adapters", {"shift": shift}) as draft:
        evidence.write(draft.path, found)
    with engine.begin() as db:
        run = runs.queue(
            db, dataset_id=1, recipe="qlora", options={}, base_model="m", requested_by="U1"
        )
        adapters.add(
            db, run_id=run.id, dataset_id=1, base_model="m", hash="h", folder=draft.folder, rank=8,
            evaluation=scores, verdict=found.verdict,
        )  # fmt: skip


def _shifted(scores: Evaluation, shift: float) -> Evaluation:
    return replace(
        scores,
        arms=tuple(
            replace(one, nll=tuple(value + shift for value in one.nll))
            if one.arm is Arm.TUNED_RETRIEVAL
            else one
            for one in scores.arms
        ),
    )


def vote(engine: Engine) -> None:
    """Three questions on which one person prefers v2."""
    about = {"question": "q", "conversation": "c", "is_public": True, "is_swapped": False}
    with engine.begin() as db:
        begun = comparisons.begin(
            db, one="v1", other="v2", wanted=3, by="U1", channel="C1", questions=[about] * 3
        )
        comparisons.move(db, begun.id, was=ComparisonState.PREPARING, to=ComparisonState.OPEN)
        for one in comparisons.questions(db, begun.id):
            comparisons.vote(db, one.id, by="U1", choice=Choice.OTHER)
        comparisons.move(
            db, begun.id, was=ComparisonState.OPEN, to=ComparisonState.CLOSED, closed_at=86400.0
        )


def lore(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command prints, to either side, on one line."""
    with pytest.raises(SystemExit):
        cli.main(line.split())
    told = capsys.readouterr()
    return " ".join((told.out + told.err).split())


def test_the_report_is_written_with_what_happened_since(
    made: Engine, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vote(made)
    with made.begin() as db:
        deployments.deploy(db, adapter_id=2, by="ada", why="it is better")
    told = lore("report", capsys)
    assert told == str(data / "reports" / "v2.html")
    page = Path(told).read_text()
    assert "by ada: it is better" in page
    assert "1970-01-02, a blind vote: No preference that these votes can show: 0 votes for v1, 3 for v2" in page  # fmt: skip
    assert "by ada" not in Path(lore("report v1", capsys)).read_text()


def test_a_report_goes_where_it_is_told_to(
    made: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lore(f"report v1 --to {tmp_path}/there/one.html", capsys)
    assert "Adapter v1" in (tmp_path / "there" / "one.html").read_text()


def test_two_adapters_are_compared_on_the_questions_of_both(
    made: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    told = lore("compare v1 v2", capsys)
    assert "v2 is better: -0.500 nats per answer token, v2 minus v1" in told
    assert "24 held-out questions" in told
    assert "No blind vote yet" in told
    assert "v2 is better: +0.500" in lore("compare v2 v1", capsys)


def test_the_votes_of_people_stand_below_whichever_is_named_first(
    made: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    vote(made)
    for line in ("compare v1 v2", "compare v2 v1"):
        assert "a blind vote: No preference" in lore(line, capsys)


def test_the_base_is_one_like_any_other(made: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert "v2 is better" in lore("compare base v2", capsys)


@pytest.mark.parametrize(
    ("line", "told"),
    [("compare v1 v1", "as good as itself"), ("compare v1 v9", "no adapter 'v9'"), ("report v9", "no adapter 'v9'")],
)  # fmt: skip
def test_what_cannot_be_shown_is_said(
    made: Engine, line: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in lore(line, capsys)


def test_without_an_adapter_the_way_to_one_is_named(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LORE_STORE__DATA", str(data))
    assert "Train one with `lore train`" in lore("report", capsys)
