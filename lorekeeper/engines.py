"""Settings in; which engine answers, where it is, and what the gateway before it says of itself, out."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Literal

from lorekeeper import hardware
from lorekeeper.settings import Serving, Settings

HEALTH_SECONDS = 2.0


def vllm_python(serving: Serving) -> Path | None:
    """The Python that vLLM is installed for: of its own environment, or beside a `vllm` on the path."""
    if serving.vllm_python.is_file():
        return serving.vllm_python.absolute()  # a link is not followed: it names the environment
    command = shutil.which("vllm")
    beside = Path(command).resolve().parent / "python" if command else None
    return beside if beside is not None and beside.is_file() else None


def choose(serving: Serving) -> Literal["vllm", "embedded"]:
    """vLLM when it is asked for, or when it is installed and there is a GPU; else the embedded one."""
    if serving.engine != "auto":
        return serving.engine
    return "vllm" if vllm_python(serving) and hardware.gpus() else "embedded"


def shares_card(settings: Settings) -> bool:
    """Whether a run and the engine use the same memory by turns (`lorekeeper.leases`, "card")."""
    if settings.serving.share_card != "auto":
        return settings.serving.share_card == "yes"
    return not settings.serving.engine_url and len(hardware.gpus()) == 1


def health(serving: Serving) -> dict[str, Any] | None:
    """What the gateway says of itself; None when it does not answer."""
    try:
        with urllib.request.urlopen(  # noqa: S310 - our own address, from settings
            f"{serving.gateway_url}/healthz", timeout=HEALTH_SECONDS
        ) as response:
            said: dict[str, Any] = json.load(response)
            return said
    except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError):
        return None
