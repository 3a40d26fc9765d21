"""A person's wish to have a channel's past looked through in; its candidates, and one message that says
how far it is, out.

The job reads the history page by page through the channel's one cursor, then looks for questions with
answers in all that is stored of the channel. It can be cancelled, and is taken up where it stopped.
"""

from __future__ import annotations

from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot import backfill, mirror
from bot.access import Right
from bot.blocks import history as shown
from bot.desk import Desk
from builder.mine import mine
from lorekeeper.domain import ImportJob, ImportState
from lorekeeper.errors import AlreadyRunning, LorekeeperError, NotAllowed, StaleDecision
from lorekeeper.store import cards, imports, reading
from lorekeeper.telemetry import error_id

log = structlog.get_logger(__name__)

UNREACHABLE = {"not_in_channel", "channel_not_found", "is_archived"}


def begin(desk: Desk, channel: str, *, by: str, told_in: str) -> ImportJob:
    """Begin, or take up a job that was cancelled; its message stands in `told_in`.

    Raises:
        NotAllowed: the person is no reviewer of the channel, or not in it.
        AlreadyRunning: somebody else asked for the same channel.
    """
    desk.access.require(by, Right.REVIEW, channel)
    where = mirror.describe_or_unknown(desk, channel)
    if not desk.access.may_see(by, where.scope):
        raise NotAllowed(f"You are not in <#{channel}>.", fix="Ask one of its members.")
    with desk.engine.begin() as db:
        before = imports.get(db, channel)
        if before is not None and not before.is_over:
            raise AlreadyRunning(
                f"<#{channel}> is being imported already, for <@{before.requested_by}>.",
                fix="Its message says how far it is.",
            )
        job = imports.begin(db, channel, by=by)
        cards.drop(db, _subject(channel))
    _show(desk, job, told_in)
    _ask_for_step(desk, job)
    return job


def step(desk: Desk, channel: str) -> None:
    """Do the job's next piece, say so, and ask for the one after it."""
    with reading(desk.engine) as db:
        job = imports.get(db, channel)
    if job is None or job.is_over:
        return
    try:
        after = _mined(desk, job) if job.state is ImportState.MINING else _read(desk, job)
    except LorekeeperError as error:
        after = _failed(desk, channel, str(error))
    except Exception:
        failure = error_id()
        log.exception("an import failed", channel=channel, error_id=failure)
        after = _failed(desk, channel, f"error {failure}; whoever runs me finds it in the log")
    if after is None:  # somebody cancelled it meanwhile, and said so in its message
        return
    _show(desk, after, after.requested_by)
    if not after.is_over:
        _ask_for_step(desk, after)


def cancel(desk: Desk, channel: str, *, by: str) -> ImportJob:
    """Stop; what was read and found stays.

    Raises:
        NotAllowed: the person neither asked for it nor reviews.
        StaleDecision: it is over.
    """
    with reading(desk.engine) as db:
        job = imports.get(db, channel)
    if job is None or job.requested_by != by:
        desk.access.require(by, Right.REVIEW, channel)
    with desk.engine.begin() as db:
        stopped = imports.end(db, channel, ImportState.CANCELLED)
    if stopped is None:
        raise StaleDecision(f"The import of <#{channel}> is over.", fix="Nothing was changed.")
    _show(desk, stopped, by)
    return stopped


def _read(desk: Desk, job: ImportJob) -> ImportJob | None:
    page = backfill.read_page(desk, job.channel)
    with desk.engine.begin() as db:
        return imports.go_on(
            db,
            job.channel,
            messages=job.messages + page.messages,
            reached=page.reached,
            state=(ImportState.MINING if page.is_last else ImportState.READING).value,
        )


def _mined(desk: Desk, job: ImportJob) -> ImportJob | None:
    found = mine(desk.engine, mirror.channel_of(desk, job.channel), by=job.requested_by)
    with desk.engine.begin() as db:
        imports.go_on(db, job.channel, pairs=job.pairs + found)
        return imports.end(db, job.channel, ImportState.DONE)


def _failed(desk: Desk, channel: str, error: str) -> ImportJob | None:
    with desk.engine.begin() as db:
        return imports.end(db, channel, ImportState.FAILED, error=error)


def _ask_for_step(desk: Desk, job: ImportJob) -> None:
    """In the channel's lane: what is deleted while a page is read is deleted after it."""
    once = f"import:{job.channel}:{job.requested_at}:{job.state}:{job.reached}"
    desk.inbox.put(once, {"type": "import", "channel": job.channel}, lane=job.channel)


def _show(desk: Desk, job: ImportJob, told_in: str) -> None:
    """Edit the job's message, or post it; where the bot is not, the person is told instead."""
    content: dict[str, Any] = {"text": shown.summary(job), "blocks": shown.card(job)}
    with reading(desk.engine) as db:
        place = cards.get(db, _subject(job.channel))
    if place is not None:
        desk.client.chat_update(channel=place[0], ts=place[1], **content)
        return
    try:
        sent = desk.client.chat_postMessage(channel=told_in, **content)
    except SlackApiError as error:
        if error.response["error"] not in UNREACHABLE:
            raise
        sent = desk.client.chat_postMessage(channel=job.requested_by, **content)
    with desk.engine.begin() as db:
        cards.put(db, _subject(job.channel), channel=sent["channel"], ts=sent["ts"])


def _subject(channel: str) -> str:
    return f"import:{channel}"
