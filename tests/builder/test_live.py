"""A run that the terminal sees through: to its end, cancelled by Ctrl-C, or done by somebody else."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import Engine

from builder import live, worker
from builder.launch.local import Child
from lorekeeper import settings as config
from lorekeeper.domain import Progress, Run, RunState, Stage
from lorekeeper.store import runs
from tests.lorekeeper.store.test_deployments import add_dataset


@pytest.fixture
def rules(data: Path) -> config.Settings:
    return config.Settings(
        store=config.Store(data=data), train=config.Train(heartbeat_seconds=0.05)
    )


@pytest.fixture
def queued(engine: Engine) -> Run:
    with engine.begin() as db:
        return runs.queue(
            db, dataset_id=add_dataset(db), recipe="qlora", options={}, base_model="tiny",
            requested_by="me",
        )  # fmt: skip


def child_does(
    monkeypatch: pytest.MonkeyPatch, program: str, says: tuple[Engine, str] | None = None
) -> None:
    """In place of training, which writes what it found into the run's row."""

    class Instead:
        def start(self, run: Run, worker: str, log: Path) -> Child:
            if says is not None:
                with says[0].begin() as db:
                    runs.found(db, run.id, worker, says[1])
            with log.open("ab") as output:
                command = [sys.executable, "-c", program]
                return Child(subprocess.Popen(command, stdout=output, start_new_session=True))

    monkeypatch.setattr(worker.launch, "of", lambda _: Instead())


def test_a_run_is_seen_through(
    engine: Engine, rules: config.Settings, queued: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    child_does(monkeypatch, "pass", says=(engine, "More answers would help."))
    seen: list[RunState] = []
    over = live.see_through(
        engine, rules, queued.id, show=lambda run: seen.append(run.state), by="me"
    )
    assert over.state is RunState.DONE
    assert live.ended(over) == "More answers would help."
    assert seen[-1] is RunState.DONE


def test_ctrl_c_cancels_in_good_order(
    engine: Engine, rules: config.Settings, queued: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    child_does(monkeypatch, "import time; time.sleep(600)")
    pressed: list[bool] = []

    def show(run: Run) -> None:
        if run.state is RunState.RUNNING and not pressed:
            pressed.append(True)
            raise KeyboardInterrupt

    over = live.see_through(engine, rules, queued.id, show=show, by="ada")
    assert over.state is RunState.CANCELLED
    assert live.ended(over).startswith(f"Run {queued.id} was cancelled by ada.")


def test_a_run_that_another_worker_claimed_is_looked_at_until_it_ends(
    engine: Engine, rules: config.Settings, queued: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    child_does(monkeypatch, "raise SystemExit(3)")
    with engine.begin() as db:
        runs.claim(db, "other")

    def show(run: Run) -> None:
        if run.state is RunState.RUNNING:
            with engine.begin() as db:
                runs.finish(db, queued.id, "other", RunState.FAILED, error="It broke.")

    over = live.see_through(engine, rules, queued.id, show=show, by="me")
    assert live.ended(over) == f"Run {queued.id} failed: It broke."


def test_the_view_shows_step_loss_pace_memory_and_what_is_left(queued: Run) -> None:
    from dataclasses import replace

    progress = Progress(
        stage=Stage.TRAINING, step=5, steps=10, loss=1.5, tokens_per_second=230.4,
        seconds_left=75, memory=3 * 2**30,
    )  # fmt: skip
    page = io.StringIO()
    going_on = replace(queued, state=RunState.RUNNING, progress=progress)
    Console(file=page, width=120).print(live.drawn(going_on, [3.0, 2.0, 1.5]))
    for told in ("5/10", "1.500", "230", "3.0 GB", "1 min 15 s", "█", "Ctrl-C"):
        assert told in page.getvalue()
    cancelled = replace(going_on, cancel_requested_by="ada")
    Console(file=page, width=120).print(live.drawn(cancelled, []))
    assert "its last checkpoint is kept" in page.getvalue()
