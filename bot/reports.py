"""A finished run in; its pictures and its page in the thread of its message, for those who read there, out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from bot import mirror
from bot.desk import Desk
from builder.curve_picture import PICTURE
from builder.report import evidence
from builder.report.evidence import Evidence
from builder.report.since import since
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Adapter, Run
from lorekeeper.errors import NotFound
from lorekeeper.store import adapters, cards

log = structlog.get_logger(__name__)


def readable(desk: Desk, run: Run, adapter: Adapter) -> Evidence | None:
    """The run's evidence, with the words that everyone may see who reads its message; None where the
    adapter's folder is not on this machine."""
    try:
        found = evidence.of(adapter, ArtifactStore(desk.settings.store.data))
    except NotFound as error:
        log.warning("a run has no report here", run=run.id, what=error.what)
        return None
    return evidence.for_readers(found, _scopes(desk, run))


def send(desk: Desk, run: Run, found: Evidence, place: tuple[str, str]) -> None:
    """Upload the picture and the page, once."""
    from builder.report.page import page
    from builder.report.pictures import picture

    subject = f"report:{run.id}"
    with desk.engine.begin() as db:
        if not cards.claim(db, subject):
            return
        decided = since(db, adapters.by_name(db, found.adapter))
    channel, ts = place
    with _shown_in(desk, subject, channel, ts):
        desk.client.files_upload_v2(
            channel=channel,
            thread_ts=ts,
            initial_comment=f"The report of run {run.id}: open the page in a browser.",
            file_uploads=[
                {
                    "filename": f"{found.adapter}.png",
                    "title": f"{found.title} in pictures",
                    "content": picture(found),
                },
                {
                    "filename": f"{found.adapter}.html",
                    "title": f"The report of {found.adapter}",
                    "content": page(found, since=decided).encode(),
                },
            ],
        )


def send_curve(desk: Desk, run: Run, place: tuple[str, str]) -> None:
    """Upload the learning curve's picture, once; where the run computed elsewhere, there is none here."""
    drawn = desk.settings.store.data / "runs" / str(run.id) / PICTURE
    subject = f"curve:{run.id}"
    with desk.engine.begin() as db:
        if not drawn.is_file() or not cards.claim(db, subject):
            return
    channel, ts = place
    with _shown_in(desk, subject, channel, ts):
        desk.client.files_upload_v2(
            channel=channel,
            thread_ts=ts,
            filename=PICTURE,
            title=f"The learning curve of run {run.id}",
            content=drawn.read_bytes(),
        )


@contextmanager
def _shown_in(desk: Desk, subject: str, channel: str, ts: str) -> Iterator[None]:
    """What was claimed is being shown in this thread; where that fails, the next one may try."""
    try:
        yield
    except BaseException:
        with desk.engine.begin() as db:
            cards.give_up(db, subject)
        raise
    with desk.engine.begin() as db:
        cards.put(db, subject, channel=channel, ts=ts)


def _scopes(desk: Desk, run: Run) -> frozenset[str]:
    """What may be shown by the run's message. People of another organisation read a shared channel, and
    answers of a tuned model cannot be shown them: weights hold what members said."""
    if run.channel is None:
        return frozenset()
    where = mirror.describe_or_unknown(desk, run.channel)
    if where.is_shared:
        return frozenset()
    return desk.access.scopes_for(where, run.requested_by)
