"""The table of runs in; one run after another trained in a process of its own, here or on a cluster, out.

The table is the queue: a look once a second at one indexed row costs less than a second queue that
would have to be kept true to the first. A worker that dies is noticed by its silence, its child dies
with it, and the next worker goes on from the last checkpoint.
"""

from __future__ import annotations

import json
import signal
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

import structlog
from sqlalchemy import Engine

from builder import launch
from builder.halving import halve
from builder.job import TRAINED
from builder.launch import Ended, Launched
from lorekeeper import engines, leases
from lorekeeper.domain import Progress, Run, RunState, Stage
from lorekeeper.errors import AlreadyRunning, Cancelled, LeaseLost, LorekeeperError
from lorekeeper.leases import holder_name
from lorekeeper.settings import Settings
from lorekeeper.store import adapters, runs

logger = structlog.get_logger(__name__)

LOOK = 1.0  # seconds between two looks for a queued run
TAIL = 200  # lines of a log in which a process's last words are looked for


class Interrupted(Enum):
    """Why this worker ends a run's process."""

    CANCELLED = "a person asked for it"
    STOPPING = "the worker stops; another one goes on"


@dataclass(frozen=True, slots=True)
class Log:
    """What one attempt at a run prints, below what earlier ones did."""

    path: Path
    begins: int  # at this byte

    def tail(self) -> list[str]:
        """Its last lines, empty ones left out; one empty line where there are none."""
        with self.path.open(encoding="utf-8", errors="replace") as file:
            file.seek(self.begins)
            return [line.rstrip() for line in deque(file, maxlen=TAIL) if line.strip()] or [""]


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
                logger.warning("run taken back", run=run.id, state=run.state.value)
            claimed = runs.claim(db, self.name) if _may_begin(self.settings.train.hours) else None
        if claimed is None:
            return False
        logger.info("run claimed", run=claimed.id, attempt=claimed.attempt)
        try:
            self._see_through(claimed)
        except LorekeeperError as error:  # lost to another worker, or the cluster does not answer
            logger.warning("run let go", run=claimed.id, what=error.what)
        return True

    def _see_through(self, run: Run) -> None:
        path = self.settings.store.data / "logs" / f"run-{run.id}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        log = Log(path, path.stat().st_size)
        with ExitStack() as held:  # the card is given back after the row says that the run is over
            if stopped := self._take_card(run, held):
                self._record(run, stopped, log)
                return
            try:
                with self._beating(run):
                    process = launch.of(self.settings).start(run, self.name, path)
            except LorekeeperError as error:
                self._record(run, Ended(code=1, why=f"{error.what} {error.fix}"), log)
                return
            try:
                ended = self._watch(process, run)
            finally:
                process.stop()
            self._record(run, ended, log)

    @contextmanager
    def _beating(self, run: Run) -> Iterator[None]:
        """Beat from a thread, while a cluster takes its time."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self.settings.train.heartbeat_seconds):
                with suppress(LeaseLost), self.engine.begin() as db:
                    runs.beat(db, run.id, self.name)

        thread = threading.Thread(target=beat, name=f"beat-{run.id}")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _take_card(self, run: Run, held: ExitStack) -> Interrupted | None:
        """Wait until the engine has given its memory up; why the run ended before that, or None."""
        if self.settings.train.launcher != "local" or not engines.shares_card(self.settings):
            return None
        note = Progress(stage=Stage.PREPARING, note="waiting until the model has made room")
        with self.engine.begin() as db:
            runs.report(db, run.id, self.name, note)
        while True:
            with self.engine.begin() as db:
                now = runs.beat(db, run.id, self.name)
            if now.cancel_requested_by:
                return Interrupted.CANCELLED
            try:
                held.enter_context(leases.hold(self.engine, leases.card()))
            except AlreadyRunning:
                if self.stopping.wait(min(LOOK, self.settings.train.heartbeat_seconds)):
                    return Interrupted.STOPPING
            else:
                return None

    def _watch(self, process: Launched, run: Run) -> Ended | Interrupted:
        """Beat until the process ends, and say what it waits for; how it ended, or why we end it."""
        said = ""
        while (ended := process.ended()) is None:
            with self.engine.begin() as db:
                now = runs.beat(db, run.id, self.name)
                if (note := process.waits_for()) and note != said:
                    said = note
                    runs.report(db, run.id, self.name, Progress(stage=Stage.WAITING, note=note))
            if now.cancel_requested_by:
                return Interrupted.CANCELLED
            if self.stopping.wait(min(LOOK, self.settings.train.heartbeat_seconds)):
                return Interrupted.STOPPING
        return ended

    def _record(self, run: Run, ended: Ended | Interrupted, log: Log) -> None:
        with self.engine.begin() as db:
            now = runs.get(db, run.id)
            if isinstance(ended, Ended) and ended.code == 0:
                adapter = adapters.of_run(db, run.id)
                made = adapter.id if adapter is not None else None
                runs.finish(db, run.id, self.name, RunState.DONE, adapter_id=made)
            elif now.cancel_requested_by:
                runs.finish(db, run.id, self.name, RunState.CANCELLED)
            elif ended is Interrupted.STOPPING:
                runs.finish(db, run.id, self.name, RunState.QUEUED)
            elif isinstance(ended, Ended) and ended.may_go_on and run.attempt < runs.MAX_ATTEMPTS:
                logger.warning("run interrupted", run=run.id, why=ended.why)
                runs.finish(db, run.id, self.name, RunState.QUEUED)
            elif isinstance(ended, Ended) and self._goes_on_smaller(run, ended):
                logger.warning("run ran out of memory, and goes on in smaller batches", run=run.id)
                runs.finish(db, run.id, self.name, RunState.QUEUED)
            elif isinstance(ended, Ended):
                error = _in_words(ended, log)
                logger.error("run failed", run=run.id, error=error)
                runs.finish(db, run.id, self.name, RunState.FAILED, error=error)

    def _goes_on_smaller(self, run: Run, ended: Ended) -> bool:
        """Whether memory ran out in training, where half as many rows at once, from the last checkpoint, may fit.

        The process was killed before it could do that by itself, as it does where a GPU's memory runs out.
        """
        from builder.launch import kubernetes, local, slurm

        work = self.settings.store.data / "runs" / str(run.id)
        ran_out = {launcher.OUT_OF_MEMORY for launcher in (kubernetes, local, slurm)}
        was_training = work.is_dir() and not (work / TRAINED).is_file()
        return ended.why in ran_out and was_training and halve(work)


def serve(engine: Engine, settings: Settings) -> None:
    """`lore worker`: work until SIGTERM or Ctrl-C."""
    worker = Worker(engine, settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stopping.set())
    logger.info("worker is up", name=worker.name)
    worker.work()


def _may_begin(hours: str, now: datetime | None = None) -> bool:
    """Whether it is one of the hours in which runs begin, such as `20-6`; always without any."""
    if not hours:
        return True
    first, last = map(int, hours.split("-"))
    hour = (now or datetime.now().astimezone()).hour
    return first <= hour < last if first < last else hour >= first or hour < last


def _in_words(ended: Ended, log: Log) -> str:
    """The process's own words where it had some, else what its end means."""
    told = log.tail()
    if error := _own_words(told):
        return error
    if ended.why:
        return ended.why
    if any("out of memory" in line.lower() for line in told):
        return "The GPU's memory ran out. Use a smaller batch_size or max_tokens."
    return f"The training process ended with code {ended.code}: {told[-1]} The log is {log.path}."


def _own_words(told: list[str]) -> str:
    """Of the last line that `builder.train` ends with; a launcher of several processes writes below it."""
    for line in reversed(told):
        try:
            error = json.loads(line)
            if error["kind"] == Cancelled.__name__:
                return str(error["what"])
            return f"{error['what']} {error['fix']}"
        except (ValueError, KeyError, TypeError):
            continue  # some other line
    return ""
