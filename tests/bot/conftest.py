"""A workspace in a box with the real bot in it, over Socket Mode, and a gateway that answers from a script."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from bot import manifest
from bot.app import running
from bot.desk import Desk
from bot.playground.member import Member
from bot.playground.server import Playground
from bot.scripted_gateway import ScriptedGateway
from builder.dataset import FILES, write
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Goal, Origin, Pair, PairState, Run
from lorekeeper.settings import Bot, Serving, Settings, Slack, Store
from lorekeeper.store import datasets, pairs, reading, runs

MANIFEST = manifest.read()


PATIENCE = 30.0  # seconds
T = TypeVar("T")
_never = threading.Event()


@dataclass(frozen=True)
class Team:
    """Ada asks, Grace answers, Rita reviews; Gus is a guest. The bot is in #help and #secrets."""

    slack: Playground
    desk: Desk
    gateway: ScriptedGateway
    engine: Engine

    def member(self, name: str) -> Member:
        return self.slack.member(name)

    @property
    def bot(self) -> str:
        return self.slack.bot_user

    def pairs(self, state: PairState = PairState.CANDIDATE) -> list[Pair]:
        with reading(self.engine) as db:
            return pairs.in_state(db, state)

    def queue_run(self, goal: Goal = Goal.ADAPTER) -> Run:
        """A run on two approved pairs, asked for by Rita in #help."""
        with self.engine.begin() as db:
            kept = [pairs.add(db, a_pair(ts=str(n))).id for n in (1, 2)]
            version = datasets.add(
                db,
                hash="h",
                folder=self._frozen(),
                train=kept[:1],
                heldout=kept[1:],
                created_by="U1",
            )
            return runs.queue(
                db,
                dataset_id=version.id,
                recipe="qlora",
                options={},
                base_model="m",
                requested_by=self.member("rita").id,
                channel=self.slack.workspace.channel("help").id,
                goal=goal,
            )

    def _frozen(self) -> str:
        with ArtifactStore(self.desk.settings.store.data).write("datasets", {}) as draft:
            for split in FILES:
                write(draft.path, split, [])
        return draft.folder

    def wait_for_pair(self, state: PairState = PairState.CANDIDATE) -> Pair:
        return self.until(lambda: next(iter(self.pairs(state)), None), f"a pair that is {state}")

    def until(
        self,
        look: Callable[[], T | None],
        what: str = "what was waited for",
        patience: float = PATIENCE,
    ) -> T:
        """Look at the database until there is something; members wait for what they see in Slack."""
        end = time.monotonic() + patience
        while not (found := look()):
            assert time.monotonic() < end, f"{what} did not come"
            _never.wait(0.01)
        return found


def a_pair(**changes: Any) -> Pair:
    """A pair that could have been saved; `ts` is that of its answer."""
    ts = changes.pop("ts", "1700000000.000100")
    values: dict[str, Any] = {
        "id": 0,
        "question": "How?",
        "answer": "So.",
        "state": PairState.CANDIDATE,
        "origin": Origin.REACTION,
        "channel": "C1",
        "scope": PUBLIC,
        "conversation": f"C1/{ts}",
        "source": "https://slack.example/archives/C1/p1",
        "answer_ts": ts,
        "captured_by": "U1",
    }
    return Pair(**(values | changes))


@pytest.fixture
def slack() -> Iterator[Playground]:
    playground = Playground()
    for name in ("ada", "grace", "rita", "sam"):
        playground.workspace.add_user(name)
    playground.workspace.add_user("gus", guest=True)
    app = playground.install(MANIFEST)
    everyone = ["ada", "grace", "rita", "sam", "gus", app.bot_user]
    playground.workspace.add_channel("help", members=everyone)
    playground.workspace.add_channel(
        "secrets", private=True, members=["ada", "grace", app.bot_user]
    )
    playground.workspace.add_channel("review", members=["rita", "sam", app.bot_user])
    with playground:
        yield playground


@pytest.fixture
def config(slack: Playground, data: Path, gateway: ScriptedGateway) -> Settings:
    rita, sam = (slack.workspace.user(name).id for name in ("rita", "sam"))
    return Settings(
        slack=Slack(bot_token=slack.bot_token, app_token=slack.app_token, api_url=slack.api_url),
        bot=Bot(
            review_channel=slack.workspace.channel("review").id, reviewers=(rita, sam), threads=8
        ),
        store=Store(data=data),
        serving=Serving(
            gateway_port=gateway.port, gateway_key=SecretStr("key"), first_token_seconds=10
        ),
    )


@pytest.fixture
def gateway(engine: Engine) -> Iterator[ScriptedGateway]:
    with ScriptedGateway(engine) as scripted:
        yield scripted


@pytest.fixture
def team(
    slack: Playground, config: Settings, gateway: ScriptedGateway, engine: Engine
) -> Iterator[Team]:
    with running(config, engine) as desk:
        yield Team(slack=slack, desk=desk, gateway=gateway, engine=engine)
