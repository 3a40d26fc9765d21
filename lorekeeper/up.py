"""Commands in; child processes that are watched, started again when they crash, and never outlive this one, out."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import structlog

from lorekeeper.errors import LorekeeperError

log = structlog.get_logger(__name__)

LOOK = 0.5  # seconds between two looks at the processes
TAIL = 20  # lines of a log that an error shows
PATIENCE = 10.0  # seconds that a process gets to end in good order
STEADY = 60.0  # seconds after which a crash counts as the first one again
BACKOFF = (0.0, 1.0, 5.0, 15.0, 60.0)  # seconds before it is started again: the first time at once
PARTS = ("serve", "worker", "bot")
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


class ProcessDied(LorekeeperError):
    """A part of Lorekeeper ended by itself; the end of its log says why."""


@dataclass(slots=True, kw_only=True)
class Child:
    """One process: how to start it, and how it fared."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None  # None until it is started for the first time
    started: float = 0.0
    crashes: int = 0
    is_paused: bool = False
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))


class Supervisor:
    """Starts processes, each in a group of its own, and stops all of them at the end."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: dict[str, Child] = {}
        self._stopping = threading.Event()
        self._turn = threading.Lock()  # nothing is started while everything is being stopped

    def start(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        paused: bool = False,
    ) -> None:
        """Start `argv` with the given variables on top of this process's own; `paused`: at `resume`.

        `lore` stands for this installation's command. What it prints goes to `logs/NAME.log`.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        path = self._logs / f"{name}.log"
        path.touch()
        child = Child(
            name=name,
            argv=_resolved(argv),
            environment=dict(environment),
            log=path,
            is_paused=paused,
        )
        self._children[name] = child
        self._spawn(child)

    def check(self) -> None:
        """Raises ProcessDied when one has ended, with the last lines of its log."""
        for child in self._children.values():
            code = child.process.poll() if child.process is not None else None
            if code is not None and not child.is_paused:
                raise ProcessDied(
                    f"`{child.name}` ended with code {code}. The last lines of its log:\n{tail(child.log)}",
                    fix=f"The whole log is {child.log}.",
                )

    def revive(self) -> None:
        """Start again what has crashed, later each time; says why it ended."""
        for child in list(self._children.values()):
            ended = child.process
            code = ended.poll() if ended is not None else None
            if ended is None or code is None or child.is_paused or self._stopping.is_set():
                continue
            _signal(ended, signal.SIGKILL)  # what it had started holds memory and ports
            steady = time.monotonic() - child.started > STEADY
            child.crashes = 1 if steady else child.crashes + 1
            wait = BACKOFF[min(child.crashes, len(BACKOFF)) - 1]
            log.warning("process ended", process=child.name, code=code, again_in=wait)
            sys.stderr.write(tail(child.log) + "\n")
            self._stopping.wait(wait)
            self._spawn(child)

    def _spawn(self, child: Child) -> None:
        """Unless it runs, or is not to."""
        with self._turn:
            is_over = child.process is None or child.process.poll() is not None
            if is_over and not child.is_paused and not self._stopping.is_set():
                child.process = _spawn(child.argv, child.environment, child.log)
                child.started = time.monotonic()

    def keep_up(self, is_hung: Callable[[int], bool] | None = None) -> None:
        """Start again what crashes, and what `is_hung` says of its process id, until `stop`. Blocks."""
        while not self._stopping.wait(LOOK):
            if is_hung is not None:
                self._end_hung(is_hung)
            self.revive()

    def _end_hung(self, is_hung: Callable[[int], bool]) -> None:
        for child in list(self._children.values()):
            process = child.process
            if process is not None and not child.is_paused and is_hung(process.pid):
                log.warning("process hangs", process=child.name)
                _signal(process, signal.SIGKILL)
                process.wait()

    def pause(self, name: str, *, end: bool = True) -> None:
        """Do not start a process again until `resume`; with `end`, end it now, in good order."""
        child = self._children[name]
        with self._turn:
            child.is_paused = True
            if end and child.process is not None:
                _end(child.process, time.monotonic() + PATIENCE)

    def resume(self, name: str) -> bool:
        """Keep it up again; whether it had to be started for that."""
        child = self._children[name]
        before = child.process
        child.is_paused = False
        self._spawn(child)
        return child.process is not before

    def replace(self, name: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """End a process in good order, and start another one in its place; for a paused one, at `resume`."""
        child = self._children[name]
        was_paused = child.is_paused
        self.pause(name)
        child.argv, child.environment = _resolved(argv), dict(environment)
        child.crashes = 0
        if not was_paused:
            self.resume(name)

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def pid(self, name: str) -> int:
        """Raises KeyError for what does not run."""
        process = self._children[name].process
        if process is None:
            raise KeyError(name)
        return process.pid

    def stop(self) -> None:
        """Ask every process to end, the last started first; kill those that don't in time."""
        self._stopping.set()
        with self._turn:
            running = [each.process for each in self._children.values() if each.process is not None]
            for process in reversed(running):
                _signal(process, signal.SIGTERM)
            end = time.monotonic() + PATIENCE
            for process in running:
                _end(process, end)
            self._children.clear()

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def up() -> None:
    """Run the answers, the worker and the bot on this machine until Ctrl-C."""
    from lorekeeper import leases, settings, store, telemetry

    config = settings.with_gateway_key(settings.load())
    telemetry.configure()
    engine = store.open_database(config.database_url)
    asked_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_stop.set())
    with leases.hold(engine, "up"), Supervisor(config.store.data / "logs") as supervisor:
        for part in PARTS:
            supervisor.start(part, ["lore", part], settings.environment(config))
            log.info("started", part=part, pid=supervisor.pid(part))
        while not asked_to_stop.wait(LOOK):
            supervisor.revive()
        log.info("stopping")


def tail(path: Path) -> str:
    """The last lines of a log."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return "".join(deque(file, maxlen=TAIL)).rstrip()


def die_with_parent() -> None:
    """Run in a child before it starts: the kernel ends it when this process is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)


def _resolved(argv: Sequence[str]) -> list[str]:
    if argv[0] == "lore":
        return [sys.executable, "-m", "lorekeeper.cli", *argv[1:]]
    return list(argv)


def _spawn(
    argv: Sequence[str], environment: Mapping[str, str], path: Path
) -> subprocess.Popen[bytes]:
    output: IO[bytes]
    with path.open("ab") as output:
        return subprocess.Popen(
            argv,
            env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )


def _end(process: subprocess.Popen[bytes], by: float) -> None:
    """Ask it to end, and what it has started; make them, where that takes longer."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.1, by - time.monotonic()))
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # it has ended already
