"""Settings in; a running engine with OpenAI's surface out: vLLM, or the embedded one. vLLM is never imported."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx2
import structlog

from lorekeeper import engines, hardware, models
from lorekeeper.domain import BASE_NAME, Adapter
from lorekeeper.errors import AlreadyRunning, BadInput, LorekeeperError, NotReachable
from lorekeeper.settings import Settings
from lorekeeper.up import Supervisor
from serving import loading, memory
from serving.plan import HOST, Plan, plan_of, slots

log = structlog.get_logger(__name__)

START = 600.0  # seconds that a large model may take to come up
LOOK = 0.2  # seconds between two looks whether it is up
HANGS = 60.0  # seconds without a sign of life after which an engine that was up is started again
SLEEP = 120.0  # seconds that moving the weights out of the GPU, or back, may take

Kind = Literal["vllm", "embedded", "elsewhere"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningEngine:
    """An engine that answers at `url`. `supervisor` holds its process, where it is ours."""

    kind: Kind
    url: str
    supervisor: Supervisor | None = None
    sleeps: bool = False  # it was started with vLLM's sleep mode
    no_tools: str = ""  # as `Plan`'s
    plan: Callable[[Path | None], Plan] | None = None
    """How it runs another model's folder, or the base again (None)."""
    _turn: threading.Lock = field(default_factory=threading.Lock)  # one change of it at a time

    def is_up(self) -> bool:
        return _answers(self.url)

    def keep_up(self) -> None:
        """Start it again whenever it crashes or hangs, until `stop`. Blocks where the process is ours."""
        if self.supervisor is not None:
            self.supervisor.keep_up(_Hung(self))

    def run(self, model: Path | None, given_up: threading.Event) -> None:
        """Run a whole model in the base's place (None: the base again), and wait until it answers.

        Adapters are gone from it then. One that sleeps runs the model when it wakes.

        Raises:
            BadInput: the process is not ours; what runs in it goes on.
            NotReachable: it did not come up, or `given_up` was set.
        """
        if self.supervisor is None or self.plan is None:
            raise BadInput(
                f"The engine at {self.url} was started elsewhere, so no other model can be run in it.",
                fix=f"Start it with --model {model} --served-model-name {BASE_NAME}, and set"
                " LORE_MODELS__BASE to the same folder.",
            )
        plan = self.plan(model)
        with self._turn:
            self.supervisor.replace("engine", plan.command, plan.environment)
            _wait(self, self.supervisor, START, given_up)

    def sleep(self) -> None:
        """Give the memory to somebody else. Nothing may run on it; `wake` undoes it.

        vLLM on a GPU moves its weights to main memory and stays; anything else is stopped.

        Raises:
            NotReachable: it does not answer, so its memory is still taken.
        """
        if self.supervisor is None:
            return  # its memory is another machine's
        with self._turn:
            if self.sleeps:
                _call(f"{self.url}/sleep?level=1")
            self.supervisor.pause("engine", end=not self.sleeps)

    def wake(self) -> None:
        """Take the memory back, and wait until it answers again.

        Raises:
            NotReachable: it did not come up; it is tried again in the background.
        """
        if self.supervisor is None:
            return
        with self._turn:
            was_started = self.supervisor.resume("engine")
            if self.sleeps and not was_started:
                _call(f"{self.url}/wake_up")
            _wait(self, self.supervisor, START)

    def stop(self) -> None:
        if self.supervisor is not None:
            self.supervisor.stop()


def start(
    settings: Settings,
    data: Path,
    held: Sequence[Adapter] = (),
    *,
    model: Path | None = None,
    asleep: bool = False,
) -> RunningEngine:
    """Start the engine that the settings choose, with room for these adapters; wait until it answers.

    With `model` a whole model runs in the base's place. With `asleep` somebody else uses the memory: an
    engine of ours is made ready, and started by `wake`.

    Raises:
        MissingPart: vLLM, or the model, is not installed.
        NotFound, BadInput: there is no such model, or too little memory for it.
        NotReachable: the engine elsewhere does not answer, or ours did not come up.
        AlreadyRunning: the port is taken.
    """
    if settings.serving.engine_url:
        return _elsewhere(settings.serving.engine_url.rstrip("/"))
    kind = engines.choose(settings.serving)
    on_gpu = bool(hardware.gpus())
    _refuse_taken(settings.serving.engine_port)
    base = models.get(models.base_spec(settings), data)
    room = slots(settings, held)

    def plan(other: Path | None) -> Plan:
        return plan_of(settings, kind, other or base, room, on_gpu=on_gpu)

    first = plan(model)
    if not asleep:
        memory.refuse_too_little(first.needs, model or base, on_gpu=on_gpu)
    supervisor = Supervisor(data / "logs")
    supervisor.start("engine", first.command, first.environment, paused=asleep)
    url = f"http://{HOST}:{settings.serving.engine_port}"
    engine = RunningEngine(
        kind=kind, url=url, supervisor=supervisor, sleeps=first.sleeps, no_tools=first.no_tools,
        plan=plan,
    )  # fmt: skip
    if asleep:
        return engine
    try:
        _wait(engine, supervisor, START)
    except BaseException:
        supervisor.stop()
        raise
    log.info("engine is up", kind=kind, url=url, adapters=room.count, context=first.needs.context)
    return engine


def _elsewhere(url: str) -> RunningEngine:
    if not _answers(url):
        raise NotReachable(
            f"No engine answers at {url}.",
            fix="Start it, or empty LORE_SERVING__ENGINE_URL to have one started here.",
        )
    return RunningEngine(kind="elsewhere", url=url)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise AlreadyRunning(
                f"Something listens on port {port} already.",
                fix="Stop it, or set LORE_SERVING__ENGINE_PORT to another port.",
            )


def _wait(
    engine: RunningEngine,
    supervisor: Supervisor,
    seconds: float,
    given_up: threading.Event | None = None,
) -> None:
    end = time.monotonic() + seconds
    while not engine.is_up():
        try:
            supervisor.check()
        except LorekeeperError as error:
            raise NotReachable(f"The engine did not start. {error.what}", fix=error.fix) from None
        is_over = supervisor.is_stopping or (given_up is not None and given_up.is_set())
        if is_over or time.monotonic() > end:
            raise NotReachable(
                f"The engine did not answer within {seconds:.0f} s.",
                fix="Its log is logs/engine.log in the data folder.",
            )
        time.sleep(LOOK)
    loading.warm(engine.url)


class _Hung:
    """Whether an engine that was up has given no sign of life for too long. One that starts is let be."""

    def __init__(self, engine: RunningEngine) -> None:
        self._engine = engine
        self._well: dict[int, float] = {}  # process id: when it last answered

    def __call__(self, pid: int) -> bool:
        now = time.monotonic()
        if self._engine.is_up():
            self._well = {pid: now}
        return pid in self._well and now - self._well[pid] > HANGS


def _call(url: str) -> None:
    try:
        httpx2.post(url, timeout=SLEEP, trust_env=False).raise_for_status()
    except httpx2.HTTPError as error:
        raise NotReachable(
            f"The engine did not do as it was told at {url}: {error}.",
            fix="Its log is logs/engine.log in the data folder.",
        ) from error


def _answers(url: str) -> bool:
    try:
        answer = httpx2.get(f"{url}/health", timeout=2.0, trust_env=False, verify=loading.trusted())
        return answer.is_success
    except httpx2.HTTPError:
        return False
