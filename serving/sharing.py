"""Runs that need the accelerator in; the engine asleep while one works and awake afterwards out.

The two meet in the database. Whoever holds the lease on the card (`lorekeeper.leases.card`) uses it. When
a worker of this machine has claimed a run, the engine lets what is being written end, sleeps, and gives
the lease up; the worker takes it, and gives it back when the run ends or is cancelled. A worker that dies
falls silent, and its lease with it. So the engine wakes in every case.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol

import structlog
from sqlalchemy import Engine

from lorekeeper import leases
from lorekeeper.domain import Run, RunState
from lorekeeper.errors import AlreadyRunning, LorekeeperError
from lorekeeper.store import reading, runs
from serving.traffic import Traffic

log = structlog.get_logger(__name__)

LOOK = 1.0  # seconds between two looks at the runs
OURSELVES = "sharing"  # among those for whom the engine may be away


class Sleeper(Protocol):
    """An engine that can give its memory up (`serving.engine.RunningEngine`)."""

    def sleep(self) -> None: ...
    def wake(self) -> None: ...


class Sharing:
    """Follows the runs of this machine's workers, and puts the engine to sleep for them."""

    def __init__(
        self,
        database: Engine,
        traffic: Traffic,
        *,
        drain: float,
        silence: float,
        stale: float = leases.STALE,
        every: float = LOOK,
    ) -> None:
        """`drain`, `silence`: seconds that answers may go on, and after which a worker counts as dead."""
        self._database = database
        self._engine: Sleeper | None = None
        self._traffic = traffic
        self._drain = drain
        self._silence = silence
        self._stale = stale
        self._every = every
        self._name = leases.holder_name()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._holds = False
        self.is_asleep = False

    def follow(self, engine: Sleeper) -> None:
        """From now on, put this engine to sleep and wake it."""
        self._engine = engine

    def look(self) -> None:
        """Sleep when a run waits for the card, wake when the card is free; once."""
        if self._engine is None:
            return
        run = self._run()
        if self._holds and run is not None:
            self._give_up(run, self._engine)
        elif run is None and (self._holds or self._take()) and self.is_asleep:
            self._come_back(self._engine)

    def why(self) -> str:
        """Why there are no answers of the model now, and when they are back, for people."""
        run = self._run()
        if run is None:
            return "The model is on its way back from training."
        left = run.progress.seconds_left
        back = f"back in about {_minutes(left)}" if left is not None else "back when it ends"
        return f"The model makes room for training (run {run.id}) and is {back}."

    def _run(self) -> Run | None:
        """The run that a living worker of this machine works on, or is about to."""
        here, living = f"{socket.gethostname()}:", time.time() - self._silence
        with reading(self._database) as db:
            open_runs = runs.unfinished(db)
        mine = (run for run in open_runs if (run.worker or "").startswith(here))
        working = (run for run in mine if run.state is RunState.RUNNING)
        return next((run for run in working if (run.heartbeat_at or 0.0) > living), None)

    def _give_up(self, run: Run, engine: Sleeper) -> None:
        self._traffic.close(OURSELVES, self.why)
        quiet = self._traffic.wait_until_quiet(self._drain)
        log.info("engine sleeps", run=run.id, cut_off=not quiet)
        try:
            engine.sleep()
        except LorekeeperError as error:
            log.error("engine does not sleep", what=error.what)
            self._traffic.open(OURSELVES)
            return  # it holds its memory, so it keeps the lease; the worker waits
        self.is_asleep = True
        self._holds = False
        with self._database.begin() as db:
            leases.release(db, leases.card(), self._name)

    def _take(self) -> bool:
        try:
            with self._database.begin() as db:
                leases.take(db, leases.card(), self._name, stale=self._stale)
        except AlreadyRunning:
            return False
        self._holds = True
        return True

    def _come_back(self, engine: Sleeper) -> None:
        engine.wake()
        self.is_asleep = False
        self._traffic.open(OURSELVES)
        log.info("engine is awake")

    def __enter__(self) -> Sharing:
        """Take the card before an engine is started, or find that it must sleep: a run has it."""
        self.is_asleep = self._run() is not None or not self._take()
        if self.is_asleep:
            self._traffic.close(OURSELVES, self.why)
        for name, work, every in (
            ("sharing", self.look, self._every),
            ("sharing beat", self._keep_lease, leases.BEAT),
        ):
            thread = threading.Thread(target=self._repeat, args=(work, every), name=name)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        with self._database.begin() as db:
            leases.release(db, leases.card(), self._name)

    def _keep_lease(self) -> None:
        if self._holds:
            with self._database.begin() as db:
                leases.beat(db, leases.card(), self._name)

    def _repeat(self, work: Callable[[], None], every: float) -> None:
        while not self._stop.wait(every):
            try:
                work()
            except LorekeeperError as error:
                log.error("sharing the card failed", what=error.what)
            except Exception:
                log.exception("sharing the card failed")


def _minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return "a minute" if minutes == 1 else f"{minutes} minutes"
