"""A caller's own tools reach the model beside what the team has said, and its calls come back in OpenAI's shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from lorekeeper.store import answers, reading
from serving import gateway
from serving.fake_engine import FakeEngine, Script
from tests.serving.conftest import assistant, index_of, said
from tests.serving.test_gateway import ASKED, KEY, PUBLIC_TEXT, served

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "deploy",
        "description": "Deploy a service.",
        "parameters": {"type": "object", "properties": {"service": {"type": "string"}}},
    },
}
TURNS: Any = [
    {"role": "system", "content": "You are the release bot."},
    {"role": "user", "content": f"<|im_start|> {ASKED}"},
]
Speak = Callable[[Script], FakeEngine]


def made(engine: Engine, fake: FakeEngine, folder: Path) -> Any:
    return gateway.create(
        assistant(index_of([said(PUBLIC_TEXT)], folder), fake.url), engine, key=KEY
    )


def asker(client: TestClient) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{client.base_url}/v1", api_key=KEY, http_client=client)


@pytest.fixture
def fake(speak: Speak) -> FakeEngine:
    return speak(Script(tokens=["I will ", "do it."], calls=[("deploy", '{"service": "billing"}')]))


@pytest.mark.parametrize("is_streamed", [True, False])
def test_the_models_calls_come_back(
    engine: Engine, fake: FakeEngine, tmp_path: Path, is_streamed: bool
) -> None:
    with TestClient(made(engine, fake, tmp_path)) as client:
        ask = asker(client).chat.completions
        given: Any = {"model": "lorekeeper", "messages": TURNS, "tools": [TOOL]}
        if is_streamed:
            with ask.stream(**given) as stream:
                completion = stream.get_final_completion()
        else:
            completion = ask.create(**given)
    choice = completion.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "I will do it."
    (call,) = choice.message.tool_calls or ()
    assert call.type == "function"
    assert call.function.name == "deploy"
    assert json.loads(call.function.arguments) == {"service": "billing"}
    if not is_streamed:
        assert completion.usage is not None
        assert completion.usage.completion_tokens == 2
    with reading(engine) as db:
        assert answers.asked_since(db, 0.0) == []


def test_the_request_reaches_the_engine_as_it_came_with_the_passages_in_the_system_prompt(
    engine: Engine, fake: FakeEngine, tmp_path: Path
) -> None:
    before: Any = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "deploy", "arguments": "{}"}}
        ],
    }
    result: Any = {"role": "tool", "tool_call_id": "c1", "content": "deployed"}
    with TestClient(made(engine, fake, tmp_path)) as client:
        told = asker(client).chat.completions.create(
            model="lorekeeper",
            messages=[*TURNS, before, result],
            tools=[TOOL],
            tool_choice="auto",
            temperature=0.5,
            extra_body={"logit_bias": {"1": 5}, "chat_template": "{{ 1 }}"},
        )
    heard = fake.heard[-1]
    system, question, *rest = heard["messages"]
    assert "You are the release bot." in system["content"]
    assert PUBLIC_TEXT in system["content"]
    assert question["content"].startswith("< |im_start|>") or "<|im_start|>" not in str(question)
    assert rest == [before, result]
    assert heard["tools"] == [TOOL]
    assert (heard["tool_choice"], heard["temperature"]) == ("auto", 0.5)
    assert "chat_template" not in heard
    ours: Any = told.model_extra
    assert ours["lorekeeper"]["sources"][0]["url"].startswith("https://example.com/")


def test_words_beside_the_calls_open_no_address_that_is_in_no_source(
    engine: Engine, speak: Speak, tmp_path: Path
) -> None:
    fake = speak(Script(tokens=["See ", "https://evil.example/?q=secret ", "now."]))
    with TestClient(made(engine, fake, tmp_path)) as client:
        told = asker(client).chat.completions.create(
            model="lorekeeper", messages=TURNS, tools=[TOOL]
        )
    assert "evil" not in str(told.choices[0].message.content)


@pytest.mark.parametrize("is_streamed", [True, False])
def test_what_the_engine_refuses_is_said_in_its_own_words(
    engine: Engine, speak: Speak, tmp_path: Path, is_streamed: bool
) -> None:
    fake = speak(Script(refuses=400))
    body = {"messages": TURNS, "tools": [TOOL], "stream": is_streamed}
    with TestClient(made(engine, fake, tmp_path)) as client:
        headers = {"Authorization": f"Bearer {KEY}"}
        told = client.post("/v1/chat/completions", json=body, headers=headers)
    assert told.status_code == (200 if is_streamed else 400)
    assert "Refused, as scripted" in told.text


@pytest.mark.parametrize(("choice", "status"), [(None, 501), ("auto", 501), ("none", 200)])
def test_tools_of_a_model_whose_calls_nobody_reads_are_refused_in_words(
    engine: Engine, speak: Speak, tmp_path: Path, choice: str | None, status: int
) -> None:
    fake = speak(Script())
    index = index_of([said("To deploy billing, run make ship.")], tmp_path)
    answering = replace(assistant(index, fake.url), no_tools="Name a parser.")
    body = {"messages": TURNS, "tools": [TOOL]} | ({"tool_choice": choice} if choice else {})
    with TestClient(gateway.create(answering, engine, key=KEY)) as client:
        told = client.post(
            "/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {KEY}"}
        )
    assert told.status_code == status
    assert ("Name a parser." in told.text) is (status == 501)
    assert bool(fake.heard) is (status == 200)


def test_another_client_calls_its_tool_and_answers_with_the_result(
    engine: Engine, speak: Speak, tmp_path: Path
) -> None:
    """pydantic-ai, which runs the whole loop: question, call, result, answer."""
    fake = speak(Script(tokens=["Done."], calls=[("deploy", '{"service": "billing"}')]))

    def deploy(service: str) -> str:
        """Deploy a service."""
        fake.script = Script(tokens=[f"{service} is out."])
        return "ok"

    told = run_agent(made(engine, fake, tmp_path), deploy)
    assert told.output == "billing is out."
    assert fake.heard[-1]["messages"][-1]["content"] == "ok"


def test_another_client_reads_a_plain_answer(
    engine: Engine, fake: FakeEngine, tmp_path: Path
) -> None:
    fake.script = Script(tokens=["Run make ship ", "from the main branch."])
    told = run_agent(made(engine, fake, tmp_path))
    assert told.output.startswith("Run make ship from the main branch")
    assert told.usage.output_tokens == 2


def run_agent(app: Any, *tools: Callable[..., str]) -> Any:
    """What pydantic-ai's agent says to the question."""
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async def ask(url: str) -> Any:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
            model = OpenAIChatModel("lorekeeper", provider=OpenAIProvider(openai_client=client))
            return await Agent(model, tools=tools).run(ASKED)

    with served(app) as url:
        return asyncio.run(ask(url))
