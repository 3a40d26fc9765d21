"""Other assistants ask, search and propose by the rules of their key; checked with the protocol's own client."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from sqlalchemy import Engine

from lorekeeper.domain import Origin, PairState
from lorekeeper.store import answers, pairs, reading
from serving import gateway
from serving.fake_engine import FakeEngine, Script
from serving.keys import issue
from tests.serving.conftest import assistant, index_of, said
from tests.serving.test_gateway import ASKED, PRIVATE_TEXT, PUBLIC_TEXT, served

BOT = "the bot's own"


@pytest.fixture
def url(engine: Engine, speak: Callable[[Script], FakeEngine], tmp_path: Path) -> Iterator[str]:
    fake = speak(Script(tokens=["Run make ship ", "from the main branch."]))
    index = index_of([said(PUBLIC_TEXT), said(PRIVATE_TEXT, scope="G1")], tmp_path)
    with served(gateway.create(assistant(index, fake.url), engine, key=BOT)) as url:
        yield url


@asynccontextmanager
async def connected(url: str, key: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=20) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        yield client


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    return anyio.run(work)


def call(url: str, key: str, tool: str, **given: Any) -> Any:
    async def work() -> Any:
        async with connected(url, key) as client:
            return await client.call_tool(tool, given)

    return run(work)


def key_for(engine: Engine, *scopes: str) -> str:
    with engine.begin() as db:
        return issue(db, "notes", scopes=list(scopes), per_minute=0, by="U1")


def test_the_tools_say_what_they_do_and_which_one_writes(url: str) -> None:
    async def work() -> Any:
        async with connected(url, BOT) as client:
            return await client.list_tools()

    tools = {tool.name: tool for tool in run(work).tools}
    assert set(tools) == {"ask", "search", "propose"}
    assert all(tool.description for tool in tools.values())
    assert [name for name, tool in tools.items() if not tool.annotations.read_only_hint] == [
        "propose"
    ]
    assert set(tools["ask"].input_schema["properties"]) == {"question", "scopes"}


def test_an_answer_has_its_sources_and_is_stored(url: str, engine: Engine) -> None:
    told = call(url, key_for(engine, "ask"), "ask", question=ASKED).structured_content
    assert told["answer"].startswith("Run make ship")
    assert told["sources"][0]["url"].startswith("https://example.com/")
    with reading(engine) as db:
        assert [one.text for one in answers.asked_since(db, 0.0)] == [told["answer"]]


def test_private_passages_are_found_with_the_scope_for_it_only(url: str, engine: Engine) -> None:
    question = "salary review of the platform team"
    key = key_for(engine, "search")
    assert "salary" not in str(call(url, key, "search", question=question))
    refused = call(url, key, "search", question=question, scopes=["G1"])
    assert refused.is_error
    assert "lacks the scope ask:as" in refused.content[0].text
    found = call(url, BOT, "search", question=question, scopes=["G1"]).structured_content
    assert found["result"][0]["text"] == PRIVATE_TEXT


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("ask", {"question": ASKED}),
        ("propose", {"question": "Where?", "answer": "There."}),
    ],
)
def test_a_key_does_what_it_was_made_for(
    url: str, engine: Engine, tool: str, given: dict[str, str]
) -> None:
    refused = call(url, key_for(engine, "search"), tool, **given)
    assert refused.is_error
    assert f"--scopes {tool}" in refused.content[0].text


def test_a_proposal_is_a_redacted_candidate_and_comes_in_once(url: str, engine: Engine) -> None:
    given = {
        "question": "Who runs staging?",
        "answer": "Write to anna@example.com, the token is ghp_0123456789abcdefghijABCDEFGHIJ012345.",
        "source": "https://example.com/wiki",
    }
    first = call(url, BOT, "propose", **given).structured_content
    again = call(url, BOT, "propose", **given).structured_content
    assert again["pair"] is None
    with reading(engine) as db:
        pair = pairs.get(db, first["pair"])
        assert pairs.counts(db)[PairState.APPROVED] == 0
    assert (pair.state, pair.origin) == (PairState.CANDIDATE, Origin.PROPOSED)
    assert "anna@" not in pair.answer
    assert "ghp_" not in pair.answer
    assert set(pair.redactions) == {"email", "secret"}
    assert pair.source == given["source"]


@pytest.mark.parametrize("key", ["", "none", "wrong"])
def test_without_a_key_there_are_no_tools(url: str, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    told = httpx2.post(f"{url}/mcp", json={}, headers=headers, trust_env=False)
    assert told.status_code == 401
    assert "lore keys add" in told.json()["error"]["message"]


@pytest.mark.parametrize("question", ["", "x" * 6_001])
def test_what_is_no_question_is_refused_in_words(url: str, question: str) -> None:
    refused = call(url, BOT, "search", question=question)
    assert refused.is_error
    assert "question" in refused.content[0].text


def test_half_a_character_is_refused_though_no_client_of_ours_sends_it(url: str) -> None:
    asked = {"name": "search", "arguments": {"question": "\ud800"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}
    headers = {
        "Authorization": f"Bearer {BOT}",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
    }
    content = json.dumps(body)
    told = httpx2.post(f"{url}/mcp", content=content, headers=headers, trust_env=False)
    assert told.status_code in {200, 400}
    assert '"result"' not in told.text or '"isError":true' in told.text


def test_over_stdio_the_tools_are_the_same(url: str, data: Path) -> None:
    root = Path(gateway.__file__).parents[1]
    environment = {
        "LORE_SERVING__GATEWAY_PORT": url.rpartition(":")[2],
        "LORE_SERVING__GATEWAY_KEY": BOT,
        "PYTHONPATH": str(root),
        "PATH": os.environ["PATH"],
    }
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "lorekeeper.cli", "mcp"], env=environment, cwd=data
    )

    async def work() -> Any:
        async with Client(command) as client:
            tools = await client.list_tools()
            return tools, await client.call_tool("search", {"question": ASKED})

    tools, found = run(work)
    assert {tool.name for tool in tools.tools} == {"ask", "search", "propose"}
    assert found.structured_content["result"][0]["text"] == PUBLIC_TEXT
