"""The embedded engine has vLLM's surface: base and adapters side by side, streamed or whole."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from serving import embedded
from serving.local import LocalModel, _Cut, _until

# peft 0.21 asks transformers 5.23 by a name that the latter is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

QUESTION = [{"role": "user", "content": "how do we deploy"}]


@pytest.fixture(scope="module")
def model(tiny: Path) -> LocalModel:
    return LocalModel(tiny, dtype="float32", window=256)


@pytest.fixture
def client(model: LocalModel) -> Iterator[TestClient]:
    with TestClient(embedded.app(model)) as client:
        yield client
    for name in model.names()[1:]:
        model.unload(name)


def ask(client: TestClient, model: str = "base", **more: Any) -> Any:
    body = {"model": model, "messages": QUESTION, "max_tokens": 12, **more}
    return client.post("/v1/chat/completions", json=body)


def told(client: TestClient, model: str = "base", **more: Any) -> str:
    return str(ask(client, model, **more).json()["choices"][0]["message"]["content"])


def load(client: TestClient, name: str, folder: Path) -> Any:
    body = {"lora_name": name, "lora_path": str(folder)}
    return client.post("/v1/load_lora_adapter", json=body)


def names(client: TestClient) -> list[str]:
    return [card["id"] for card in client.get("/v1/models").json()["data"]]


def test_it_is_healthy_and_serves_the_base(client: TestClient) -> None:
    assert client.get("/health").status_code == 200
    assert names(client) == ["base"]


def test_the_same_question_gets_the_same_answer(client: TestClient) -> None:
    assert told(client) == told(client) != ""


def test_a_streamed_answer_joins_to_the_whole_one(client: TestClient) -> None:
    lines = [line for line in ask(client, stream=True).text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    deltas = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(deltas) == told(client)
    assert len([delta for delta in deltas if delta]) > 1
    assert chunks[-1]["choices"][0]["finish_reason"] in {"stop", "length"}


def test_the_answer_ends_at_the_limit_and_says_so(client: TestClient) -> None:
    body = ask(client, max_tokens=3).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 3


def test_the_answer_ends_before_a_stop_string(client: TestClient) -> None:
    whole = told(client)
    stop = whole.split()[3]
    assert told(client, stop=[stop]) == whole[: whole.find(stop)]


def test_an_unknown_model_is_refused_as_openai_does(client: TestClient) -> None:
    answer = ask(client, "v9")
    assert answer.status_code == 404
    assert "v9" in answer.json()["error"]["message"]


def test_a_conversation_without_room_for_the_answer_is_refused(client: TestClient) -> None:
    answer = ask(client, max_tokens=300)
    assert answer.status_code == 400
    assert "maximum context length is 256" in answer.json()["error"]["message"]


def test_adapters_come_and_go_beside_the_base(
    client: TestClient, make_adapter: Callable[[int], Path]
) -> None:
    base = told(client)
    assert load(client, "v1-aa", make_adapter(1)).status_code == 200
    assert load(client, "v2-bb", make_adapter(2)).status_code == 200
    assert names(client) == ["base", "v1-aa", "v2-bb"]
    first, second = told(client, "v1-aa"), told(client, "v2-bb")
    assert len({base, first, second}) == 3
    assert told(client) == base  # adapters do not leak into it
    client.post("/v1/unload_lora_adapter", json={"lora_name": "v1-aa"})
    assert told(client, "v2-bb") == second
    client.post("/v1/unload_lora_adapter", json={"lora_name": "v2-bb"})
    assert names(client) == ["base"]
    assert told(client) == base
    assert ask(client, "v1-aa").status_code == 404
    assert load(client, "v1-aa", make_adapter(1)).status_code == 200
    assert told(client, "v1-aa") == first


def test_what_is_no_adapter_is_refused_and_changes_nothing(
    client: TestClient, tmp_path: Path
) -> None:
    before = told(client)
    assert load(client, "v1-aa", tmp_path).status_code == 400
    assert names(client) == ["base"]
    assert told(client) == before


def test_the_base_is_not_unloaded(client: TestClient) -> None:
    gone = client.post("/v1/unload_lora_adapter", json={"lora_name": "base"})
    assert gone.status_code == 404


def test_nobody_reading_ends_the_answer_and_frees_the_model(model: LocalModel) -> None:
    wanted = model.prepare(
        name="base", messages=QUESTION, max_tokens=200, temperature=0.0, stops=()
    )
    gone = threading.Event()
    pieces = model.write(wanted, gone)
    next(pieces)
    gone.set()
    rest = list(pieces)
    assert rest[-1].tokens < 200
    closed = model.write(wanted, threading.Event())
    next(closed)
    closed.close()
    assert next(model.write(wanted, threading.Event())).text  # the next one has its turn


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["ab", "STO", "P", "cd"], "ab"),
        (["abST", "x"], "abSTx"),
        (["S", "T", "O"], "STO"),
        (["STOP"], ""),
    ],
)
def test_a_stop_string_is_found_across_pieces(pieces: list[str], expected: str) -> None:
    assert "".join(_until(iter(pieces), _Cut(("STOP",)))) == expected
