"""The gateway streams what is stored, quotes private channels only to callers with the key, and never fails in silence."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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
from retrieval.embed import HashingEmbedder
from serving import gateway
from serving.fake_engine import FakeEngine, Script
from serving.keys import issue
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
def fake(speak: Speak) -> FakeEngine:
    return speak(Script(tokens=["Run make ship ", "from the main branch. ", "It takes long."]))


@pytest.fixture
def app(engine: Engine, fake: FakeEngine, tmp_path: Path) -> Any:
    index = index_of([said(PUBLIC_TEXT), said(PRIVATE_TEXT, scope="G1")], tmp_path)
    behind = gateway.Behind(
        health=lambda: {"status": "ok"}, adapters=lambda: ["v3"], embedder=HashingEmbedder()
    )
    return gateway.create(assistant(index, fake.url), engine, key=KEY, behind=behind)


@pytest.fixture
def client(app: Any) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The application on a real port: its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_a_streamed_answer_has_its_numbers_and_is_stored(
    client: TestClient, engine: Engine
) -> None:
    texts, told = streamed(client, ASKED, scopes=[PUBLIC], asker="U1", channel="C1")
    assert texts[0].startswith("Run")
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
    with TestClient(gateway.create(made, engine, key="")) as client:
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
    app = gateway.create(made, engine, key=KEY)
    with TestClient(app, raise_server_exceptions=False) as client:
        whole = ask(client, ASKED)
        body = {"stream": True, "messages": [{"role": "user", "content": ASKED}]}
        stream = client.post("/v1/chat/completions", json=body).text
    assert whole.status_code == 500
    for told in (whole.text, stream):
        assert "the log has it as" in told
        assert "disk" not in told


@pytest.mark.parametrize("is_streamed", [True, False])
def test_a_reader_who_leaves_stops_the_engine_and_leaves_no_answer(
    engine: Engine, speak: Speak, tmp_path: Path, is_streamed: bool
) -> None:
    fake = speak(Script(tokens=["On and on. "] * 500, pace=0.02))
    made = assistant(index_of([said(PUBLIC_TEXT)], tmp_path), fake.url)
    body = {"stream": is_streamed, "messages": [{"role": "user", "content": ASKED}]}
    with served(gateway.create(made, engine, key=KEY)) as url:
        where = f"{url}/v1/chat/completions"
        if is_streamed:
            with httpx2.stream("POST", where, json=body, trust_env=False) as response:
                next(line for line in response.iter_lines() if 'on."' in line)
        else:
            with pytest.raises(httpx2.ReadTimeout):
                httpx2.post(where, json=body, timeout=0.5, trust_env=False)
        assert fake.stopped.wait(60)
    with reading(engine) as db:
        assert answers.asked_since(db, 0.0) == []


def key_for(engine: Engine, *scopes: str, per_minute: int = 0) -> str:
    with engine.begin() as db:
        return issue(db, "ci", scopes=list(scopes), per_minute=per_minute, by="U1")


def test_a_key_without_the_scope_is_told_which_and_how_to_get_it(
    client: TestClient, engine: Engine
) -> None:
    key = key_for(engine, "ask")
    assert ask(client, ASKED, key=key).status_code == 200
    for about in ({"scopes": ["G1"]}, {"asker": "U2"}, {"channel": "C2"}, {"style": "Shout."}):
        refused = ask(client, ASKED, key=key, **about)
        assert refused.status_code == 403
        assert "lore keys add NAME --scopes ask:as" in refused.json()["error"]["message"]
    texts = {"input": "salary", "model": "lorekeeper"}
    told = client.post("/v1/embeddings", json=texts, headers={"Authorization": f"Bearer {key}"})
    assert "scope embed" in told.json()["error"]["message"]


def test_nobody_without_a_key_says_who_asks_where_the_bot_has_one(client: TestClient) -> None:
    assert ask(client, ASKED, asker="U1").status_code == 401


def test_a_key_that_asks_too_often_is_told_when_to_come_again(
    client: TestClient, engine: Engine
) -> None:
    key = key_for(engine, "ask", per_minute=1)
    assert ask(client, ASKED, key=key).status_code == 200
    refused = ask(client, ASKED, key=key)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert 'lorekeeper_refusals_total{reason="rate"} 1.0' in client.get("/metrics").text


def test_a_request_id_is_kept_or_made_and_reaches_the_engine(
    client: TestClient, fake: FakeEngine
) -> None:
    body = {"messages": [{"role": "user", "content": ASKED}]}
    given = {"X-Request-Id": "trace-7"}
    told = client.post("/v1/chat/completions", json=body, headers=given)
    assert told.headers["X-Request-Id"] == fake.request_ids[-1] == "trace-7"
    given = {"X-Request-Id": "two words"}
    told = client.post("/v1/chat/completions", json=body, headers=given)
    assert told.headers["X-Request-Id"] == fake.request_ids[-1]
    assert len(fake.request_ids[-1]) == 32
    assert client.get("/nothing").headers["X-Request-Id"]


def test_the_usage_is_the_engines(client: TestClient) -> None:
    asker = openai.OpenAI(base_url=f"{client.base_url}/v1", api_key="none", http_client=client)
    turns: Any = [{"role": "user", "content": ASKED}]
    whole = asker.chat.completions.create(model="lorekeeper", messages=turns).usage
    assert whole is not None
    assert whole.completion_tokens == 3
    assert whole.prompt_tokens > len(ASKED.split())
    *_, last = asker.chat.completions.create(
        model="lorekeeper", messages=turns, stream=True, stream_options={"include_usage": True}
    )
    assert last.usage == whole
    assert 'lorekeeper_tokens_total{kind="completion"} 6.0' in client.get("/metrics").text


def test_every_model_that_can_be_named_is_listed(client: TestClient) -> None:
    listed = [model["id"] for model in client.get("/v1/models").json()["data"]]
    assert listed == ["lorekeeper", "base", "v3"]


def test_embeddings_are_the_indexs_own_with_the_tokens_they_took(client: TestClient) -> None:
    asker = openai.OpenAI(base_url=f"{client.base_url}/v1", api_key=KEY, http_client=client)
    texts = ["how do we deploy", "salary review"]
    packed = asker.embeddings.create(model="lorekeeper", input=texts)
    plain = asker.embeddings.create(model="hashing", input=texts, encoding_format="float")
    own = HashingEmbedder()
    for made in (packed, plain):
        assert [one.embedding for one in made.data] == own.passages(texts).tolist()
        assert made.usage.prompt_tokens == sum(map(own.count_tokens, texts))


@pytest.mark.parametrize(
    "body",
    [
        {"input": []},
        {"input": ["a", " "]},
        {"input": ["a"] * 300},
        {"input": "a", "dimensions": 3},
        {"input": "a", "model": "ada"},
    ],
)
def test_what_cannot_be_embedded_is_refused_in_words(client: TestClient, body: Any) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    told = client.post("/v1/embeddings", json=body, headers=headers)
    assert told.status_code in {400, 404}
    assert told.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[" * 100_000,
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b"\xff\xfe",
        b'{"messages": [{"role": "king", "content": "x"}]}',
        b'{"messages": "x"}',
    ],
)
def test_a_malformed_body_is_refused_in_openais_shape(client: TestClient, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    told = client.post("/v1/chat/completions", content=body, headers=headers)
    assert told.status_code == 400
    assert told.json()["error"]["message"]


def test_an_unknown_path_is_told_in_openais_shape(client: TestClient) -> None:
    told = client.get("/v1/completions")
    assert told.status_code == 404
    assert "/v1/completions" in told.json()["error"]["message"]


def test_it_is_ready_only_when_everything_behind_it_answers(engine: Engine, tmp_path: Path) -> None:
    missing: dict[str, str] = {"engine": "http://gpu does not answer."}
    made = assistant(index_of([], tmp_path), "http://127.0.0.1:9")
    behind = gateway.Behind(missing=lambda: missing)
    with TestClient(gateway.create(made, engine, key=KEY, behind=behind)) as client:
        told = client.get("/readyz")
        assert told.status_code == 503
        assert told.json()["missing"] == missing
        missing.clear()
        assert client.get("/readyz").status_code == 200
        engine.dispose()
        (tmp_path / "data" / "lorekeeper.sqlite").unlink()
        (tmp_path / "data" / "lorekeeper.sqlite").mkdir()
        assert "database" in client.get("/readyz").json()["missing"]


def test_a_full_queue_refuses_at_once_and_who_waits_is_told_the_place(
    engine: Engine, speak: Speak, tmp_path: Path
) -> None:
    fake = speak(Script(tokens=["On and on. "] * 500, pace=0.02))
    index = index_of([said(PUBLIC_TEXT)], tmp_path)
    made = assistant(index, fake.url, at_once=1, queue=1, queue_per_person=1)
    body = {"stream": True, "messages": [{"role": "user", "content": ASKED}]}
    with served(gateway.create(made, engine, key="")) as url, ExitStack() as open_:
        where = f"{url}/v1/chat/completions"
        first = open_.enter_context(httpx2.stream("POST", where, json=body, trust_env=False))
        words = first.iter_lines()
        next(line for line in words if 'on."' in line)
        second = open_.enter_context(httpx2.stream("POST", where, json=body, trust_env=False))
        lines = second.iter_lines()
        waits = json.loads(next(lines).removeprefix("data: "))["lorekeeper"]
        assert waits == {"status": "waiting", "scopes": [], "before": 0}
        third = httpx2.post(where, json=body, trust_env=False)
        assert third.status_code == 429
        assert "wait already" in third.json()["error"]["message"]
        assert "lorekeeper_questions_waiting 1.0" in httpx2.get(f"{url}/metrics").text
        first.close()
        assert next(line for line in lines if '"searching"' in line)


def test_questions_that_wait_do_not_keep_the_gateway_from_answering_others(
    engine: Engine, speak: Speak, tmp_path: Path
) -> None:
    """More of them than the server has threads for calls that block."""
    fake = speak(Script(tokens=["On and on. "] * 500, pace=0.02))
    index = index_of([said(PUBLIC_TEXT)], tmp_path)
    made = assistant(index, fake.url, at_once=1, queue=100, queue_per_person=100)
    body = {"messages": [{"role": "user", "content": ASKED}]}
    left = threading.Event()

    async def leave(url: str) -> None:
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as asker:
            where = f"{url}/v1/chat/completions"
            asked = [asyncio.ensure_future(asker.post(where, json=body)) for _ in range(60)]
            while (await asker.get(f"{url}/metrics")).text.count("_waiting 59.0") == 0:
                assert (await asker.get(f"{url}/healthz")).status_code == 200
            for one in asked:
                one.cancel()
            while (await asker.get(f"{url}/metrics")).text.count("_answering 0.0") == 0:
                continue
            left.set()

    with served(gateway.create(made, engine, key="")) as url:
        asyncio.run(leave(url))
    assert left.is_set()
