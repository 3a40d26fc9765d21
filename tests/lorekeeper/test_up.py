"""Processes are watched, started again, and there is one `lore up` for a database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lorekeeper import leases
from lorekeeper.settings import Settings, environment, with_gateway_key
from lorekeeper.store import open_database
from lorekeeper.up import ProcessDied, Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
SPEAK_AND_DIE = [sys.executable, "-c", "print('no room left'); raise SystemExit(3)"]


def ended(supervisor: Supervisor) -> ProcessDied:
    """What is said about the process, once it has ended."""
    for _ in range(600):
        try:
            supervisor.check()
        except ProcessDied as died:
            return died
        time.sleep(0.05)
    raise AssertionError("it never ended")


def test_what_crashed_is_started_again(data: Path) -> None:
    with Supervisor(data / "logs") as supervisor:
        supervisor.start("part", SLEEP, {})
        first = supervisor.pid("part")
        os.kill(first, signal.SIGKILL)
        ended(supervisor)
        supervisor.revive()
        assert supervisor.pid("part") != first
        supervisor.check()


def test_a_death_is_told_with_the_end_of_its_log(data: Path) -> None:
    with Supervisor(data / "logs") as supervisor:
        supervisor.start("part", SPEAK_AND_DIE, {})
        died = ended(supervisor)
    assert "code 3" in died.what
    assert "no room left" in died.what


def test_nothing_is_started_after_the_end(data: Path) -> None:
    supervisor = Supervisor(data / "logs")
    supervisor.start("part", SPEAK_AND_DIE, {})
    ended(supervisor)
    supervisor.stop()
    supervisor.revive()
    supervisor.check()


def test_a_second_up_on_the_same_database_is_refused(data: Path) -> None:
    engine = open_database(f"sqlite:///{data / 'lorekeeper.sqlite'}")
    with leases.hold(engine, "up"):
        ran = subprocess.run(
            [sys.executable, "-m", "lorekeeper.cli", "up"],
            env={**os.environ, "LORE_STORE__DATA": str(data)},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    engine.dispose()
    assert ran.returncode == 1
    assert "up" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("missing", ["package:no-such-model", "no/such/folder/here"])
def test_a_missing_model_is_told_in_words(data: Path, missing: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "lorekeeper.cli", "models", "get", missing],
        env={**os.environ, "LORE_STORE__DATA": str(data)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 1
    assert missing.removeprefix("package:") in ran.stderr
    assert "Traceback" not in ran.stderr


def test_parts_that_are_started_together_share_a_new_key_unless_there_is_one() -> None:
    first, second = (with_gateway_key(Settings()) for _ in range(2))
    keys = {each.serving.gateway_key.get_secret_value() for each in (first, second)}
    assert len(keys) == 2
    assert with_gateway_key(first) == first
    assert environment(first)["LORE_SERVING__GATEWAY_KEY"] in keys
