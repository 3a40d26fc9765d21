"""The gateway streams what is stored, quotes private channels only to callers with the key, and never fails in silence."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from lorekeeper.domain import PUBLIC, Answer
from lorekeeper.store import answers, reading
from lorekeeper.store.rows import revive
from serving import gateway
from serving.fake_engine import FakeEngine, Script
from tests.serving.conftest import assistant, index_of, said

KEY = "right"
PUBLIC_TEXT = "Run make ship from the main branch to deploy billing."
PRIVATE_TEXT = "The salary review of the platform team happens in March."
ASKED = "how do we deploy billing from the main branch"
Speak = Callable[[Script], FakeEngine]


def streamed(
    client: TestClient, question: str, *, model: str = "lorekeeper", key: str = KEY, **about: Any
) -> tuple[list[str], dict[str, Any]]:
    """The pieces and the answer of one streamed request."""
    body = {"model": model, "stream": True, "lorekeeper": about}
    body |= {"messages": [{"role": "user", "content": question}]}
    headers = {"Authorization": f"Bearer {key}"}
    lines = client.post("/v1/chat/completions", json=body, headers=headers).text.split("\n\n")
    events = [line.removeprefix("data: ") for line in lines if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    texts = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    return [text for text in texts if text], chunks[-1]["lorekeeper"]["answer"]


def ask(client: TestClient, question: str, *, key: str = "", **about: Any) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = {"messages": [{"role": "user", "content": question}], "lorekeeper": about}
    return client.post("/v1/chat/completions", json=body, headers=headers)


@pytest.fixture
def app(engine: Engine, speak: Speak, tmp_path: Path) -> Any:
    fake = speak(Script(tokens=["Run make ship ", "from the main branch. ", "It takes long."]))
    index = index_of([said(PUBLIC_TEXT), said(PRIVATE_TEXT, scope="G1")], tmp_path)
    return gateway.create(
        assistant(index, fake.url), engine, key=KEY, health=lambda: {"status": "ok"}
    )


@pytest.fixture
def client(app: Any) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_a_streamed_answer_has_its_numbers_and_is_stored(
    client: TestClient, engine: Engine
) -> None:
    texts, told = streamed(client, ASKED, scopes=[PUBLIC], asker="U1", channel="C1")
    assert texts[0] == "Run"
    assert "".join(texts) == told["text"]
    with reading(engine) as db:
        assert answers.get(db, told["id"]) == revive(Answer, told)
    assert told["citations"][0]["url"].startswith("https://example.com/")


def test_a_whole_answer_is_the_same_and_is_stored(client: TestClient, engine: Engine) -> None:
    body = ask(client, ASKED).json()
    told = body["lorekeeper"]["answer"]
    assert body["choices"][0]["message"]["content"] == told["text"]
    with reading(engine) as db:
        assert answers.get(db, told["id"]).text == told["text"]


def test_the_official_client_reads_the_answer_and_its_citations(client: TestClient) -> None:
    asker = openai.OpenAI(base_url=f"{client.base_url}/v1", api_key="none", http_client=client)
    turns: Any = [{"role": "user", "content": ASKED}]
    whole = asker.chat.completions.create(model="lorekeeper", messages=turns)
    message = whole.choices[0].message
    assert message.content is not None
    assert message.annotations
    for annotation in message.annotations:
        cited = annotation.url_citation
        assert message.content[cited.start_index : cited.end_index].startswith("[")
        assert cited.url.startswith("https://example.com/")
    chunks = list(asker.chat.completions.create(model="lorekeeper", messages=turns, stream=True))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert said == message.content
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert "lorekeeper" in [model.id for model in asker.models.list()]


@pytest.mark.parametrize("key", ["", "wrong"])
def test_private_scopes_need_the_key(client: TestClient, key: str) -> None:
    refused = ask(client, "salary review platform team", key=key, scopes=[PUBLIC, "G1"])
    assert refused.status_code == 401
    assert "key" in refused.json()["error"]["message"]


def test_no_key_is_no_master_key(engine: Engine, tmp_path: Path) -> None:
    made = assistant(index_of([], tmp_path), "http://127.0.0.1:9")
    with TestClient(gateway.create(made, engine, key="", health=dict)) as client:
        assert ask(client, "salary", key="", scopes=["G1"]).status_code == 401


def test_private_passages_are_quoted_with_the_key_only(client: TestClient) -> None:
    question = "salary review of the platform team"
    private = ask(client, question, key=KEY, scopes=["G1"]).json()["lorekeeper"]["answer"]
    public = ask(client, question).json()["lorekeeper"]["answer"]
    assert private["level"] == "base"
    assert public["level"] == "unknown"
    assert "salary" not in public["text"]


def test_what_cannot_be_read_is_said_as_openai_does(client: TestClient) -> None:
    refused = client.post("/v1/chat/completions", json={"messages": []})
    assert refused.status_code == 400
    assert "messages" in refused.json()["error"]["message"]


def test_health_and_metrics(client: TestClient) -> None:
    ask(client, ASKED)
    assert client.get("/healthz").json() == {"status": "ok"}
    assert 'lorekeeper_answers_total{level="base"} 1.0' in client.get("/metrics").text


class Broken:
    def search(self, *_: object, **__: object) -> list[Any]:
        raise RuntimeError("the disk is gone")

    section = search


def test_a_failure_is_told_with_an_id_and_without_its_cause(engine: Engine) -> None:
    made = assistant(Broken(), "http://127.0.0.1:9")  # type: ignore[arg-type]
    app = gateway.create(made, engine, key=KEY, health=dict)
    with TestClient(app, raise_server_exceptions=False) as client:
        whole = ask(client, ASKED)
        body = {"stream": True, "messages": [{"role": "user", "content": ASKED}]}
        stream = client.post("/v1/chat/completions", json=body).text
    assert whole.status_code == 500
    for told in (whole.text, stream):
        assert "the log has it as" in told
        assert "disk" not in told


def test_a_reader_who_leaves_stops_the_engine_and_leaves_no_answer(
    engine: Engine, speak: Speak, tmp_path: Path
) -> None:
    fake = speak(Script(tokens=["On and on. "] * 500, pace=0.02))
    made = assistant(index_of([said(PUBLIC_TEXT)], tmp_path), fake.url)
    app = gateway.create(made, engine, key=KEY, health=dict)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        body = {"stream": True, "messages": [{"role": "user", "content": ASKED}]}
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        with httpx2.stream("POST", url, json=body, trust_env=False) as response:
            for line in response.iter_lines():
                if '" on."' in line:
                    break
        assert fake.stopped.wait(10)
    finally:
        server.should_exit = True
        thread.join()
