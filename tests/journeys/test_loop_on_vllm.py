"""The whole loop with a real vLLM server: the adapter is loaded into it while it runs."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from bot.demo.stage import Stage
from lorekeeper.store import deployments, reading

VLLM = Path(__file__).parents[2] / ".venv-vllm" / "bin" / "python"

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not VLLM.is_file(), reason="`make vllm` was not run"),
]


def test_the_whole_loop_on_vllm(on_vllm: tuple[Stage, str]) -> None:
    stage, shown = on_vllm
    assert shown.count("✓") == 9
    url = f"http://127.0.0.1:{stage.settings.serving.engine_port}"
    version = httpx2.get(f"{url}/version", trust_env=False).json()
    assert version["version"]  # vLLM's own call: nothing else here has it
    models = httpx2.get(f"{url}/v1/models", trust_env=False).json()["data"]
    with reading(stage.database) as db:
        current = deployments.current(db)
    assert current is not None
    assert any(model["id"].startswith(f"{current.adapter}-") for model in models)
