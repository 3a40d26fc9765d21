"""A channel in; questions that two adapters may be asked there: held-out ones, or what was asked lately, out."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection

from bot.weekly import is_readable
from builder import dataset
from builder.report.evidence import Place
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Channel
from lorekeeper.settings import Settings
from lorekeeper.similar import alike_groups
from lorekeeper.store import answers, datasets, messages

RECENT = 30 * 24 * 3600.0  # seconds


def candidates(
    db: Connection, settings: Settings, where: Channel, scopes: frozenset[str], *, recent: bool
) -> list[dict[str, Any]]:
    """Newest first, each with the conversation that its answers must not quote; only what everyone who
    reads in the channel may read."""
    return _asked_lately(db, where) if recent else _held_out(db, settings, scopes)


def _held_out(db: Connection, settings: Settings, scopes: frozenset[str]) -> list[dict[str, Any]]:
    """Of the newest version. A conversation that was held out once was never trained on."""
    version = datasets.latest(db)
    if version is None:
        return []
    folder = ArtifactStore(settings.store.data).open(version.folder)
    rows = sorted(
        dataset.read(folder, datasets.HELDOUT), key=lambda row: row.answer_ts, reverse=True
    )
    return [
        _question(row.question, row.conversation, row.scope == PUBLIC)
        for row in rows
        if Place(scope=row.scope, channel=row.channel).is_open_to(scopes)
    ]


def _asked_lately(db: Connection, where: Channel) -> list[dict[str, Any]]:
    """One of each group of alike ones."""
    channels = {one.id: one for one in messages.all_channels(db)}
    found = [
        answer
        for answer in answers.asked_since(db, time.time() - RECENT)
        if is_readable(answer, channels, where.id)
    ]
    first = [found[group[0]] for group in alike_groups([answer.question for answer in found])]
    return [
        _question(
            answer.question,
            f"{answer.channel}/{answer.thread_ts}",
            channels[answer.channel].scope == PUBLIC,
        )
        for answer in sorted(first, key=lambda answer: answer.at, reverse=True)
    ]


def _question(question: str, conversation: str, is_public: bool) -> dict[str, Any]:
    return {
        "question": question,
        "conversation": conversation,
        "is_public": is_public,
        "is_swapped": False,
    }
