"""An export in; a playground with its people and messages, and every process of Lorekeeper beside it, out."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from sqlalchemy import Engine

from bot import manifest
from bot.demo.script import Script
from bot.playground.member import Member
from bot.playground.server import Playground
from lorekeeper import settings as config
from lorekeeper.errors import LorekeeperError
from lorekeeper.slack_export import Export
from lorekeeper.store import open_database
from lorekeeper.up import Supervisor

REVIEW = "lore-review"
PATIENCE = 120.0  # seconds that one step may take before it counts as failed

T = TypeVar("T")
EngineKind = Literal["auto", "vllm", "embedded"]


class StepFailed(LorekeeperError):
    """Something that a member should have seen did not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that the acts play on."""

    playground: Playground
    supervisor: Supervisor
    settings: config.Settings
    database: Engine
    script: Script

    def member(self, user: str) -> Member:
        return self.playground.member(user)

    @property
    def reviewer(self) -> Member:
        return self.member(self.script.reviewer)

    @property
    def review_channel(self) -> str:
        return self.settings.bot.review_channel

    def start(self) -> None:
        """Start the answers, the worker and the bot, as `lore up` does."""
        environment = config.environment(self.settings)
        for part in ("serve", "worker", "bot"):
            self.supervisor.start(part, ["lore", part], environment)

    def until(self, what: str, look: Callable[[], T | None], *, seconds: float = PATIENCE) -> T:
        """Look until there is something; meanwhile every process must be alive.

        Raises:
            StepFailed: it did not come in time.
        """
        end = time.monotonic() + seconds
        while (found := look()) is None:
            self.supervisor.check()
            if time.monotonic() > end:
                raise StepFailed(
                    f"After {seconds:.0f} s there was still no {what}.",
                    fix=f"The logs are in {self.settings.store.data / 'logs'}.",
                )
            time.sleep(0.1)
        return found


@contextmanager
def open_stage(
    export: Export,
    script: Script,
    *,
    data: Path,
    engine: EngineKind = "embedded",
    documents: tuple[str, ...] = (),
    page_port: int = 0,
    overrides: dict[str, dict[str, object]] | None = None,
) -> Iterator[Stage]:
    """Set the stage; nothing of Lorekeeper runs until `start()`. Everything stops with the block.

    `overrides` maps a section's name to settings that differ from the demo's.
    """
    playground = Playground()
    load(playground, export)
    app = playground.install(manifest.read())
    review = playground.workspace.add_channel(REVIEW, members=[script.reviewer, app.bot_user])
    for channel in export.channels:
        playground.workspace.join(channel.id, app.bot_user)
    with playground.start(page_port), Supervisor(data / "logs") as supervisor:
        settings = demo_settings(
            playground,
            data=data,
            engine=engine,
            review_channel=review.id,
            reviewer=script.reviewer,
            documents=documents,
            overrides=overrides or {},
        )
        database = open_database(settings.database_url)
        try:
            yield Stage(
                playground=playground,
                supervisor=supervisor,
                settings=settings,
                database=database,
                script=script,
            )
        finally:
            supervisor.stop()
            database.dispose()


def load(playground: Playground, export: Export) -> None:
    """Put the export's people, channels and messages into the workspace; no event is sent."""
    workspace = playground.workspace
    for user in export.users:
        workspace.add_user(user.name, id=user.id, real_name=user.real_name or user.name)
    known = {user.id for user in export.users}
    for channel in export.channels:
        messages = list(export.messages(channel))
        authors = {message.user for message in messages if message.user}
        for stranger in sorted(authors - known):
            workspace.add_user(stranger.lower(), id=stranger, real_name=stranger)
            known.add(stranger)
        members = dict.fromkeys([*(m for m in channel.members if m in known), *sorted(authors)])
        workspace.add_channel(
            channel.name, id=channel.id, private=channel.is_private, members=members
        )
        for message in messages:
            if message.user:
                workspace.post(
                    channel.id,
                    message.user,
                    message.text,
                    ts=message.ts,
                    thread_ts=message.thread_ts,
                    silent=True,
                )


def demo_settings(
    playground: Playground,
    *,
    data: Path,
    engine: EngineKind,
    review_channel: str,
    reviewer: str,
    documents: tuple[str, ...],
    overrides: dict[str, dict[str, object]],
) -> config.Settings:
    """Settings that fit ten minutes on two CPU cores; every other one keeps its default."""
    sections: dict[str, dict[str, object]] = {
        "slack": {
            "bot_token": playground.bot_token,
            "app_token": playground.app_token,
            "signing_secret": playground.signing_secret,
            "api_url": playground.api_url,
        },
        "bot": {"review_channel": review_channel, "reviewers": (reviewer,)},
        "store": {"data": data},
        # Prompts are short, because a CPU reads some hundred tokens a second.
        "retrieval": {"documents": documents, "passages": 2, "chunk_tokens": 120},
        # The same guards as everywhere, on fewer rows; and the plan is counted, but no step is tried.
        "train": {
            "evaluation_questions": 24,
            "generated_answers": 2,
            "probe": False,
            "probe_rows": 12,
            "bias_pairs": 30,
            "bias_answers": 1,
            "recited_rows": 2,
            "learned_rows": 8,
            "sourced_answers": 2,
        },
        "serving": {
            "engine": engine,
            "engine_port": free_port(),
            "gateway_port": free_port(),
            "gateway_key": secrets.token_urlsafe(24),
            "max_tokens": 96,
        },
    }
    for section, changes in overrides.items():
        sections.setdefault(section, {}).update(changes)
    kinds = config.sections()
    made = {name: kinds[name].model_validate(given) for name, given in sections.items()}
    return config.load().model_copy(update=made)


def free_port() -> int:
    """A port of this machine that nothing listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
