"""`lore adapters merge` and `lore serve --model` for real, and a whole model promoted and taken back meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, update
from typer.testing import CliRunner

from bench.rig.pulled import pulled
from bot.demo.stage import free_port
from builder.cli import adapters as adapters_command
from lorekeeper import engines, identity, prompt
from lorekeeper import settings as config
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import BASE_NAME
from lorekeeper.promotion import promote
from lorekeeper.store import deployments, open_database
from lorekeeper.tables import adapters
from serving.local import LocalModel
from tests.lorekeeper.store.test_deployments import add_adapters, unscored

PATIENCE = 240.0  # seconds; on a busy machine a start of the engine takes a quarter of them
ASKED = prompt.messages("how do we deploy")
WORDS = 24

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
]


@pytest.fixture
def settings(data: Path, tiny: Path) -> config.Settings:
    return config.Settings(
        store=config.Store(data=data),
        models=config.Models(base=str(tiny)),
        serving=config.Serving(
            engine="embedded", engine_port=free_port(), gateway_port=free_port(), context_tokens=256
        ),
    )


@pytest.fixture
def engine(settings: config.Settings) -> Iterator[Engine]:
    """A migrated database: `lore serve` opens it as the product does."""
    made = open_database(settings.database_url)
    yield made
    made.dispose()


def test_a_merged_model_is_served_and_a_whole_model_takes_its_place_until_it_is_taken_back(
    settings: config.Settings,
    engine: Engine,
    tiny: Path,
    make_adapter: Callable[[int], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = settings.store.data
    with engine.begin() as db:
        add_adapters(db, "v1", "v2")
    keep(engine, data, "v1", "adapter", make_adapter(1), tiny)
    keep(engine, data, "v2", "model", another(tiny, data / "another"), tiny)
    for name, value in config.environment(settings).items():
        monkeypatch.setenv(name, value)
    told = CliRunner().invoke(adapters_command, ["merge", "v1", str(data / "merged")])
    assert f"lore serve --model {data / 'merged'}" in told.output

    with serving(settings, data / "merged"):
        assert health(settings, lambda now: now["adapter"] == BASE_NAME)["model"].endswith("merged")
        merged = answer(settings)
        assert merged == by(tiny, make_adapter(1))
        with engine.begin() as db:
            promote(db, "v2", by="U1", why="to see it")
        health(settings, lambda now: now["adapter"] == "v2" and now["status"] == "ok")
        assert answer(settings) == by(data / "another")
        assert answer(settings) != merged
        with engine.begin() as db:
            deployments.rollback(db, by="U1", why="worse")
        health(settings, lambda now: now["adapter"] == BASE_NAME and now["status"] == "ok")
        assert answer(settings) == merged


def keep(engine: Engine, data: Path, name: str, kind: str, folder: Path, base: Path) -> None:
    """Register a folder as what a run has made of the base."""
    about = {"trained_on": {"base": identity.of(base, data).base}}
    with ArtifactStore(data).write(f"{kind}s", about) as draft:
        for path in folder.iterdir():
            (draft.path / path.name).write_bytes(path.read_bytes())
    row = {"folder": draft.folder, "hash": draft.hash, "kind": kind, "base_model": str(base)}
    with engine.begin() as db:
        db.execute(update(adapters).where(adapters.c.name == name).values(row | unscored()))


def another(base: Path, folder: Path) -> Path:
    """The base with other weights."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(9)
    model = AutoModelForCausalLM.from_pretrained(base)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.05)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


@contextmanager
def serving(settings: config.Settings, model: Path) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "lorekeeper.cli", "serve", "--model", str(model)],
        env=os.environ | config.environment(settings),
    )
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0


def health(settings: config.Settings, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        now = engines.health(settings.serving)
        if now is not None and is_so(now):
            return now
        time.sleep(0.1)
    raise AssertionError(f"it did not come to that: {now}")


def answer(settings: config.Settings) -> str:
    """What the model in the engine writes, greedily."""
    url = f"http://127.0.0.1:{settings.serving.engine_port}/v1/chat/completions"
    body = {"model": BASE_NAME, "messages": ASKED, "max_tokens": WORDS, "temperature": 0}
    told = httpx2.post(url, json=body, timeout=PATIENCE, trust_env=False).json()
    return str(told["choices"][0]["message"]["content"])


def by(model: Path, adapter: Path | None = None) -> str:
    """The same by a model, with or without an adapter beside it, in this process."""
    local = LocalModel(model, dtype="float32", window=256)
    if adapter is not None:
        local.load("v1", adapter)
    wanted = local.prepare(
        name="v1" if adapter else BASE_NAME, messages=ASKED, max_tokens=WORDS, temperature=0.0, stops=()
    )  # fmt: skip
    return "".join(piece.text for piece in pulled(local.write(wanted)))
