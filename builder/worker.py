"""The table of runs in; one run after another trained in a child process of its own, out.

The table is the queue: a look once a second at one indexed row costs less than a second queue that
would have to be kept true to the first. A worker that dies is noticed by its silence, its child dies
with it, and the next worker goes on from the last checkpoint.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import Engine

from lorekeeper import engines, leases
from lorekeeper import settings as config
from lorekeeper.domain import Progress, Run, RunState, Stage
from lorekeeper.errors import AlreadyRunning, Cancelled, LeaseLost
from lorekeeper.leases import holder_name
from lorekeeper.settings import Settings
from lorekeeper.store import runs
from lorekeeper.up import die_with_parent

log = structlog.get_logger(__name__)

LOOK = 1.0  # seconds between two looks for a queued run
POLITE = 10.0  # seconds between SIGTERM and SIGKILL
TAIL = 12  # lines of a child's log that an error keeps
OUT_OF_MEMORY = -signal.SIGKILL  # how the kernel ends a process that took too much


@dataclass(slots=True)
class Worker:
    """Claims runs and sees them through, until it is told to stop."""

    engine: Engine
    settings: Settings
    name: str = field(default_factory=holder_name)
    stopping: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        """Until `stopping` is set. A run that works then goes back to the queue in good order."""
        while not self.stopping.is_set():
            if not self.work_once():
                self.stopping.wait(LOOK)

    def work_once(self) -> bool:
        """Take back what the dead left, claim one run and see it through; whether there was one."""
        with self.engine.begin() as db:
            for run in runs.reap(db, self.settings.train.lease_seconds):
                log.warning("run taken back", run=run.id, state=run.state.value)
            claimed = runs.claim(db, self.name) if _may_begin(self.settings.train.hours) else None
        if claimed is None:
            return False
        log.info("run claimed", run=claimed.id, attempt=claimed.attempt)
        try:
            self._see_through(claimed)
        except LeaseLost as error:
            log.warning("run lost", run=claimed.id, what=error.what)
        return True

    def _see_through(self, run: Run) -> None:
        path = self.settings.store.data / "logs" / f"run-{run.id}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        with ExitStack() as held:  # the card is given back after the row says that the run is over
            if ended := self._take_card(run, held):
                self._record(run, ended, 0, path)
                return
            child = _start(run, self.name, self.settings, path)
            try:
                ended = self._watch(child, run)
            finally:
                _end(child)
            self._record(run, ended, child.returncode, path)

    def _take_card(self, run: Run, held: ExitStack) -> str:
        """Wait until the engine has given its memory up; why the run ended before that, or ""."""
        if not engines.shares_card(self.settings):
            return ""
        note = Progress(stage=Stage.PREPARING, note="waiting until the model has made room")
        with self.engine.begin() as db:
            runs.report(db, run.id, self.name, note)
        while True:
            with self.engine.begin() as db:
                now = runs.beat(db, run.id, self.name)
            if now.cancel_requested_by:
                return "cancelled"
            try:
                held.enter_context(leases.hold(self.engine, leases.card()))
            except AlreadyRunning:
                if self.stopping.wait(min(LOOK, self.settings.train.heartbeat_seconds)):
                    return "stopping"
            else:
                return ""

    def _watch(self, child: subprocess.Popen[bytes], run: Run) -> str:
        """Beat until the child ends; why it ended: by itself, cancelled, or because we stop."""
        while child.poll() is None:
            with self.engine.begin() as db:
                now = runs.beat(db, run.id, self.name)
            if now.cancel_requested_by:
                return "cancelled"
            if self.stopping.wait(min(LOOK, self.settings.train.heartbeat_seconds)):
                return "stopping"
        return "by itself"

    def _record(self, run: Run, ended: str, code: int, path: Path) -> None:
        told = _told(path)
        with self.engine.begin() as db:
            now = runs.get(db, run.id)
            if ended == "by itself" and code == 0:
                runs.finish(db, run.id, self.name, RunState.DONE, **json.loads(told[-1]))
            elif now.cancel_requested_by:
                runs.finish(db, run.id, self.name, RunState.CANCELLED)
            elif ended == "stopping":
                runs.finish(db, run.id, self.name, RunState.QUEUED)
            else:
                error = _in_words(code, told, path)
                log.error("run failed", run=run.id, error=error)
                runs.finish(db, run.id, self.name, RunState.FAILED, error=error)


def serve(engine: Engine, settings: Settings) -> None:
    """`lore worker`: work until SIGTERM or Ctrl-C."""
    worker = Worker(engine, settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stopping.set())
    log.info("worker is up", name=worker.name)
    worker.work()


def _may_begin(hours: str, now: datetime | None = None) -> bool:
    """Whether it is one of the hours in which runs begin, such as `20-6`; always without any."""
    if not hours:
        return True
    first, last = map(int, hours.split("-"))
    hour = (now or datetime.now().astimezone()).hour
    return first <= hour < last if first < last else hour >= first or hour < last


def _start(run: Run, worker: str, settings: Settings, path: Path) -> subprocess.Popen[bytes]:
    """The run in a process of its own: its memory, on the GPU as well, is free for certain at its end."""
    with path.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "builder.train", str(run.id), worker],
            env={**os.environ, **config.environment(settings), "TOKENIZERS_PARALLELISM": "false"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask it to stop, then make it."""
    if child.poll() is not None:
        return
    os.killpg(child.pid, signal.SIGTERM)
    end = time.monotonic() + POLITE
    while child.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _told(path: Path) -> list[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        return [line.rstrip() for line in deque(file, maxlen=TAIL) if line.strip()] or [""]


def _in_words(code: int, told: list[str], path: Path) -> str:
    """The child's own words where it had some, else what its exit code means."""
    try:
        error = json.loads(told[-1])
        if error["kind"] == Cancelled.__name__:
            return str(error["what"])
        return f"{error['what']} {error['fix']}"
    except (ValueError, KeyError, TypeError):
        pass  # it ended without words; its exit code says something
    if code == OUT_OF_MEMORY:
        return "The training process was killed, most likely because memory ran out. Use a smaller batch_size or max_tokens."
    if any("out of memory" in line.lower() for line in told):
        return "The GPU's memory ran out. Use a smaller batch_size or max_tokens."
    return f"The training process ended with code {code}: {told[-1]} The log is {path}."
