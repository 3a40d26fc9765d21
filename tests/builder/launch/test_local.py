"""A child process: its end is told with its cause, and it is gone when it was stopped."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest

from builder.launch import Ended, Launched
from builder.launch.local import OUT_OF_MEMORY, Local

PATIENCE = 60.0


@pytest.fixture
def started(run, settings, program, monkeypatch, tmp_path: Path):
    """Start a program in the interpreter's place."""

    def start(text: str) -> Launched:
        monkeypatch.setattr(sys, "executable", str(program("python", f"#!/bin/bash\n{text}\n")))
        return Local(settings()).start(run, "w", tmp_path / "log")

    return start


def end_of(process: Launched) -> Ended:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if ended := process.ended():
            return ended
    raise AssertionError("it goes on")


def test_what_a_run_prints_is_in_its_log(started, tmp_path: Path):
    (tmp_path / "log").write_text("before\n")
    assert end_of(started('echo "$@"; exit 2')) == Ended(code=2)
    assert (tmp_path / "log").read_text() == "before\n-m builder.train 7 w\n"


def test_every_process_knows_whether_the_base_is_shared_out(
    run, settings, program, monkeypatch, tmp_path: Path
):
    echo = program("python", '#!/bin/bash\necho "$LORE_LAUNCH__SHARDED $@"\n')
    monkeypatch.setattr(sys, "executable", str(echo))
    assert end_of(Local(settings(processes=2, sharded=True)).start(run, "w", tmp_path / "log"))
    assert (tmp_path / "log").read_text().startswith("True -m accelerate.commands.launch ")


def test_a_process_that_the_kernel_killed_ran_out_of_memory(started):
    assert end_of(started("kill -KILL $$")) == Ended(code=-9, why=OUT_OF_MEMORY)


def test_a_stopped_process_is_gone_with_what_it_had_started(started, tmp_path: Path):
    process = started("sleep 1000 & echo $!; wait")
    end = time.monotonic() + PATIENCE
    while not (tmp_path / "log").read_text().endswith("\n"):
        assert time.monotonic() < end
    process.stop()
    assert process.ended() is not None
    sleeper = int((tmp_path / "log").read_text())
    while psutil.pid_exists(sleeper) and psutil.Process(sleeper).status() != "zombie":
        assert time.monotonic() < end
    process.stop()  # twice is once
