"""A worker that is killed in the middle of training: the run goes on elsewhere and ends as it would have."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine

from builder.retrain import request
from lorekeeper import settings as config
from lorekeeper.domain import Run, RunState, Stage
from lorekeeper.store import open_database, reading, runs

sys.path.insert(0, str(Path(__file__).parents[1] / "builder"))
import tiny

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SLOW = {"epochs": 12, "rank": 4, "checkpoint_steps": 3, "batch_size": 1, "accumulation": 2}
PATIENCE = 300.0


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def engine(data: Path) -> Iterator[Engine]:
    """A migrated database: the worker opens it as the product does."""
    made = open_database(f"sqlite:///{data / 'lorekeeper.sqlite'}")
    yield made
    made.dispose()


@contextmanager
def worker(rules: config.Settings) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "lorekeeper.cli", "worker"],
        env=os.environ | config.environment(rules),
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait(engine: Engine, run: Run, is_so: Callable[[Run], bool]) -> Run:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with reading(engine) as db:
            now = runs.get(db, run.id)
        if is_so(now):
            return now
        time.sleep(0.02)
    raise AssertionError(f"it did not come to that: {now}")


def is_training(run: Run) -> bool:
    # Past the first checkpoints, and far from the end.
    return run.progress.stage is Stage.TRAINING and run.progress.step >= 8


def losses(rules: config.Settings, run: Run) -> list[tuple[int, float]]:
    text = (rules.store.data / "runs" / str(run.id) / "metrics.jsonl").read_text()
    entries = [json.loads(line) for line in text.splitlines()]
    return [(entry["step"], entry["loss"]) for entry in entries if "grad_norm" in entry]


def undisturbed(engine: Engine, rules: config.Settings) -> list[tuple[int, float]]:
    run = request(engine, rules, by="me", options=SLOW)
    with worker(rules):
        over = wait(engine, run, lambda now: now.is_over)
    assert over.state is RunState.DONE, over.error
    return losses(rules, run)


def test_a_killed_run_ends_as_it_would_have(engine: Engine, data: Path, base: Path) -> None:
    tiny.approve(engine, 20)
    rules = tiny.settings(data, base)
    whole = undisturbed(engine, rules)

    again = request(engine, rules, by="me", options=SLOW | {"about": "again"})

    with worker(rules) as first:
        wait(engine, again, is_training)
        children = psutil.Process(first.pid).children(recursive=True)
        assert children, "the run has a process of its own"
        os.kill(first.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive, "it dies with its worker"

    with worker(rules):
        over = wait(engine, again, lambda now: now.is_over)
    assert over.state is RunState.DONE, over.error
    assert over.attempt == 2

    told = losses(rules, again)
    steps = [step for step, _ in told]
    turn = next(i for i in range(1, len(steps)) if steps[i] <= steps[i - 1])
    assert steps[turn] > 1, "it goes on from a checkpoint, not from the beginning"
    assert dict(told)[whole[-1][0]] == pytest.approx(whole[-1][1], rel=0.01)
    assert told[-1][0] == whole[-1][0]


def test_a_cancelled_run_ends_soon_and_a_stopped_worker_gives_its_run_back(
    engine: Engine, data: Path, base: Path
) -> None:
    tiny.approve(engine, 20)
    rules = tiny.settings(data, base)
    run = request(engine, rules, by="me", options=SLOW)
    with worker(rules) as first:
        wait(engine, run, is_training)
        first.send_signal(signal.SIGTERM)
        _, told = first.communicate(timeout=60)
        assert first.returncode == 0, told.decode()
    with reading(engine) as db:
        assert runs.get(db, run.id).state is RunState.QUEUED
    with worker(rules):
        wait(engine, run, is_training)
        with engine.begin() as db:
            runs.request_cancel(db, run.id, "U9")
        over = wait(engine, run, lambda now: now.is_over)
    assert over.state is RunState.CANCELLED
    assert over.cancel_requested_by == "U9"
