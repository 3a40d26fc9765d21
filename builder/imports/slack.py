"""A Slack export in; its messages stored redacted, and the answers found in them, as candidates, out.

Each channel is read day by day and stored in batches, so that memory does not grow with the export. A
killed import is taken up by running it again: what is stored is known by channel and `ts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Engine

from builder.mine import mine
from lorekeeper.domain import Channel, Message
from lorekeeper.links import permalink
from lorekeeper.placeholders import ThreadPlaceholders
from lorekeeper.redact import Placeholders, redact
from lorekeeper.slack_export import Export, ExportChannel, ExportMessage, open_export
from lorekeeper.store import messages, pairs, people, reading
from lorekeeper.text import mrkdwn_to_markdown

BATCH = 500  # messages stored at a time

Tell = Callable[[str, int], None]
"""Called with a channel's name and how many messages were read so far, in all channels."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What an import did. `left_out` counts messages by the reason; `problems` name a file and place."""

    channels: int = 0
    read: int = 0
    stored: int = 0  # that were new, or newer
    found: int = 0  # candidates that were new
    deleted: int = 0  # messages that the export says are deleted, and that were stored before
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def import_export(
    engine: Engine,
    path: Path,
    *,
    by: str,
    direct: bool = False,
    mining: bool = True,
    workspace: str = "",
    tell: Tell = lambda channel, read: None,
) -> Report:
    """Store what people said, and mine it.

    Private channels keep their own scope. Direct messages are left out unless `direct` is set.
    `workspace` is its address, such as `https://team.slack.com`, that links begin with.

    Raises:
        BadInput: it is not an export, damaged, or dangerous to unpack; nothing was stored.
    """
    export = open_export(path)
    report = Report()
    for described in export.channels:
        if described.is_direct and not direct:
            report.left_out["conversations of direct messages (--direct takes them)"] += 1
            continue
        channel = _channel(described)
        with engine.begin() as db:
            messages.put_channel(db, channel)
        _store(engine, export, described, workspace, report, tell)
        if mining:
            report.found += mine(engine, channel, by=by)
        report.channels += 1
    _delete(engine, export, report, by)
    report.left_out.update({_why(subtype): n for subtype, n in export.skipped.items()})
    report.problems += export.problems
    return report


def _store(
    engine: Engine,
    export: Export,
    channel: ExportChannel,
    workspace: str,
    report: Report,
    tell: Tell,
) -> None:
    with reading(engine) as db:
        silent = people.all_opted_out(db)
    threads = ThreadPlaceholders()
    said = _spoken(export.messages(channel), silent, report)
    while batch := list(islice(said, BATCH)):
        with engine.begin() as db:
            redacted = [_message(one, _placeholders(threads, db, one), workspace) for one in batch]
            report.stored += messages.add_new(db, redacted)
        tell(channel.name, report.read)


def _spoken(
    said: Iterator[ExportMessage], silent: frozenset[str], report: Report
) -> Iterator[ExportMessage]:
    """What people said in words; the rest is counted."""
    for message in said:
        report.read += 1
        if message.is_bot:
            report.left_out["messages of apps"] += 1
        elif not message.user:
            report.left_out["messages of nobody"] += 1
        elif message.user in silent:
            report.left_out["messages of people who opted out"] += 1
        elif not message.text.strip():
            report.left_out["messages without text, such as files alone"] += 1
        else:
            yield message


def _placeholders(
    threads: ThreadPlaceholders, db: Connection, message: ExportMessage
) -> Placeholders:
    """A thread shares its placeholders; a message outside threads has its own."""
    if message.thread_ts is None:
        return Placeholders()
    return threads.of(db, message.channel, root=message.thread_ts, but_for=message.ts)


def _message(message: ExportMessage, known: Placeholders, workspace: str) -> Message:
    """Redacted; mentions stay, as ids: they say who answers whom."""
    clean = redact(mrkdwn_to_markdown(message.text), known, people=False)
    return Message(
        channel=message.channel,
        ts=message.ts,
        author=message.user,
        text=clean.text,
        thread_ts=message.thread_ts,
        permalink=permalink(workspace, message.channel, message.ts, message.thread_ts),
        edited_ts=message.edited_ts,
    )


def _delete(engine: Engine, export: Export, report: Report, by: str) -> None:
    """What was deleted in Slack since it was stored goes here, too, with the pairs made of it."""
    for channel, ts in export.deleted:
        with engine.begin() as db:
            report.deleted += messages.forget(db, channel, ts)
            for pair in pairs.made_of(db, channel=channel, ts=ts):
                pairs.erase(db, pair, by=by, reason="its source was deleted in Slack")


def _channel(described: ExportChannel) -> Channel:
    return Channel(
        id=described.id,
        name=described.name,
        is_private=described.is_private,
        is_direct=described.is_direct,
    )


def _why(subtype: str) -> str:
    return "deleted messages" if subtype == "tombstone" else f"Slack's own reports ({subtype})"
