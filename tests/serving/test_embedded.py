"""The embedded engine has vLLM's surface: base and adapters side by side, streamed or whole."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy
import pytest
from fastapi.testclient import TestClient
from safetensors.numpy import load_file, save_file

from bench.rig.pulled import pulled
from serving import batch, embedded
from serving.local import ROWS, LocalModel, _Cut

# peft 0.21 asks transformers 5.23 by a name that the latter is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

QUESTION = [{"role": "user", "content": "how do we deploy"}]
LONG = [{"role": "user", "content": "how do we deploy the branch "}]


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
    for _ in range(2 * ROWS):
        closed = pulled(model.write(wanted))
        next(closed)
        closed.close()
    with closing(pulled(model.write(wanted))) as pieces:
        assert next(pieces).text  # the next one has its turn


def written(model: LocalModel, name: str, words: int = 12, length: int = 1) -> str:
    asked = [{"role": "user", "content": "how do we deploy the branch " * length}]
    wanted = model.prepare(name=name, messages=asked, max_tokens=words, temperature=0.0, stops=())
    return "".join(piece.text for piece in pulled(model.write(wanted)))


def test_what_is_written_together_is_what_is_written_alone(
    model: LocalModel, make_adapter: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adapters, lengths and ends mixed; prompts are computed in parts."""
    monkeypatch.setattr(batch, "PART", 16)
    model.load("v1", make_adapter(1))
    model.load("v2", make_adapter(2))
    asked = [
        (name, words, length)
        for name in ("base", "v1", "v2")
        for words, length in ((3, 1), (20, 9), (40, 4), (11, 20))
    ]
    alone = [written(model, *each) for each in asked]
    with ThreadPoolExecutor(len(asked)) as people:
        together = list(people.map(lambda each: written(model, *each), asked))
    assert together == alone
    assert len({text for text in alone if text}) > 3
    model.unload("v1")
    model.unload("v2")


def test_an_adapter_leaves_when_the_answers_by_it_have_ended(
    model: LocalModel, make_adapter: Callable[[int], Path]
) -> None:
    model.load("v1", make_adapter(1))
    whole = written(model, "v1", 60)
    wanted = model.prepare(name="v1", messages=LONG, max_tokens=60, temperature=0.0, stops=())
    pieces = pulled(model.write(wanted))
    said = next(pieces).text
    leaving = threading.Thread(target=model.unload, args=("v1",))
    leaving.start()
    said += "".join(piece.text for piece in pieces)
    leaving.join()
    assert said == whole
    assert model.names() == ["base"]


def test_scores_that_are_no_numbers_fail_one_answer_and_not_the_next(
    client: TestClient, make_adapter: Callable[[int], Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(make_adapter(1), broken)
    weights = load_file(broken / "adapter_model.safetensors")
    save_file(
        {name: numpy.full_like(value, numpy.nan) for name, value in weights.items()},
        broken / "adapter_model.safetensors",
    )
    assert load(client, "broken", broken).status_code == 200
    failed = ask(client, "broken")
    assert failed.status_code == 500
    assert "no numbers" in failed.json()["error"]["message"]
    assert told(client)


def test_likelihoods_are_told_when_asked_for(client: TestClient) -> None:
    body = ask(client, max_tokens=3, logprobs=True).json()
    told = [each["logprob"] for each in body["choices"][0]["logprobs"]["content"]]
    assert len(told) == 3
    assert all(value < 0 for value in told)


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
    cut = _Cut(("STOP",))
    assert "".join(cut.feed(piece) for piece in pieces if not cut.is_cut) + cut.rest() == expected
