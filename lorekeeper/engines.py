"""Settings in; which engine answers, and what the gateway before it says of itself, out."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from typing import Any, Literal

from lorekeeper import hardware
from lorekeeper.settings import Serving

HEALTH_SECONDS = 2.0


def has_vllm(serving: Serving) -> bool:
    """Whether vLLM is installed, in an environment of its own or on the path."""
    return serving.vllm_python.is_file() or shutil.which("vllm") is not None


def choose(serving: Serving) -> Literal["vllm", "embedded"]:
    """vLLM when it is asked for, or when it is installed and there is a GPU; else the embedded one."""
    if serving.engine != "auto":
        return serving.engine
    return "vllm" if has_vllm(serving) and hardware.gpus() else "embedded"


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
