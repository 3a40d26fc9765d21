"""Runs and deployments in the database in; one Slack message for each, edited as it goes on, out."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

import structlog
from slack_sdk.errors import SlackApiError
from sqlalchemy.exc import OperationalError

from bot import digest, reports, weekly
from bot.access import Right
from bot.blocks import runs as shown
from bot.blocks.text import Block
from bot.desk import Desk
from builder.report.evidence import Evidence
from lorekeeper import leases, promotion
from lorekeeper.domain import BASE_NAME, Adapter, Deployment, Goal, Run
from lorekeeper.errors import AlreadyRunning
from lorekeeper.store import adapters, cards, deployments, reading, runs
from lorekeeper.store.rows import plain

log = structlog.get_logger(__name__)

LOOK = 0.5  # seconds between looks at the database
DIGEST_LOOK = 3.0  # seconds between looks whether the digest is due
PACE = 2.0  # seconds between two edits of one message
STANDBY = 5.0  # seconds between tries to take over from another bot
NEWS = 3600.0  # seconds; a deployment that was loaded before that is no news

UNREACHABLE = {"not_in_channel", "channel_not_found", "is_archived", "message_not_found"}


class Watcher:
    """Shows every run and every deployment. Of several bots on one database, one watches."""

    def __init__(self, desk: Desk, *, now: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._now = now
        self._edited_at: dict[int, float] = {}
        self._digest_at = float("-inf")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="runs-watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._closing.set()
        self._thread.join()

    def look(self) -> None:
        """Bring every message up to date that is behind, and may be edited by now."""
        with reading(self._desk.engine) as db:
            behind = runs.to_show(db)
            deployment = deployments.current(db)
        for run, showing in behind:
            self._show(run, showing, deployment)
        if self._now() - self._digest_at >= DIGEST_LOOK:
            self._digest_at = self._now()
            digest.look(self._desk)
            weekly.look(self._desk)
        if deployment is not None:
            _announce(self._desk, deployment)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with leases.hold(self._desk.engine, "bot-watch"):
                    while not self._closing.wait(LOOK):
                        self._look_safely()
            except AlreadyRunning:
                self._closing.wait(STANDBY)
            except OperationalError:
                log.exception("the database does not answer; the watcher waits")
                self._closing.wait(STANDBY)

    def _look_safely(self) -> None:
        try:
            self.look()
        except (SlackApiError, OSError):
            log.exception("a run could not be shown; it is tried again")
            self._closing.wait(STANDBY)

    def _show(self, run: Run, showing: str, served: Deployment | None) -> None:
        now_shows = _digest(run)
        if now_shows == showing and not run.is_over:
            return
        if not run.is_over and self._now() - self._edited_at.get(run.id, float("-inf")) < PACE:
            return
        adapter = _adapter_of(self._desk, run)
        evidence = reports.readable(self._desk, run, adapter) if adapter is not None else None
        place = _put(self._desk, run, shown.card(run, adapter, served, evidence))
        self._edited_at[run.id] = self._now()
        with self._desk.engine.begin() as db:
            runs.shows(db, run.id, runs.SHOWN_TO_THE_END if run.is_over else now_shows)
        if run.is_over:
            self._report(run, evidence, place)

    def _report(self, run: Run, evidence: Evidence | None, place: tuple[str, str]) -> None:
        """Last, and not before the message counts as shown: it takes seconds, in which people decide."""
        try:
            if evidence is not None:
                reports.send(self._desk, run, evidence, place)
            elif run.goal is Goal.CURVE:
                reports.send_curve(self._desk, run, place)
        except (SlackApiError, OSError):
            with self._desk.engine.begin() as db:
                runs.shows(db, run.id, "")  # the next look tries again
            raise


def cancel(desk: Desk, run_id: int, *, by: str) -> Run:
    """Raises NotAllowed, NotFound, StaleDecision."""
    desk.access.require(by, Right.TRAIN)
    with desk.engine.begin() as db:
        return runs.request_cancel(db, run_id, by)


def promote(desk: Desk, name: str, *, by: str, why: str) -> Deployment:
    """Serve this adapter, whatever the gate said; who decided, and why, is recorded.

    Raises:
        NotAllowed, NotFound.
        BadInput: it goes against the gate, and no reason is given.
    """
    desk.access.require(by, Right.PROMOTE)
    with desk.engine.begin() as db:
        return promotion.promote(db, name, by=by, why=why)


def needs_reason(desk: Desk, name: str, *, by: str) -> Adapter | None:
    """The adapter, where promoting it goes against what the gate said.

    Raises:
        NotAllowed, NotFound.
    """
    desk.access.require(by, Right.PROMOTE)
    if name == BASE_NAME:
        return None
    with reading(desk.engine) as db:
        adapter = adapters.by_name(db, name)
    return adapter if promotion.overrules(adapter) else None


def roll_back(desk: Desk, *, by: str, why: str) -> Deployment:
    """Serve what was served before.

    Raises:
        NotAllowed, NotFound.
    """
    desk.access.require(by, Right.PROMOTE)
    with desk.engine.begin() as db:
        return promotion.roll_back(db, by=by, why=why)


def _digest(run: Run) -> str:
    seen = f"{run.state}{plain(run.progress)}{run.cancel_requested_by}{run.plan is None}"
    return hashlib.sha256(seen.encode()).hexdigest()[:32]


def _adapter_of(desk: Desk, run: Run) -> Adapter | None:
    if run.adapter_id is None:
        return None
    with reading(desk.engine) as db:
        return adapters.get(db, run.adapter_id)


def _put(desk: Desk, run: Run, blocks: list[Block]) -> tuple[str, str]:
    """Edit the run's message, or post it; where the bot is not, the requester is told instead.

    Returns the channel and the `ts` of the message.
    """
    text = shown.summary(run)
    assert run.channel is not None
    try:
        if run.message_ts is not None:
            desk.client.chat_update(
                channel=run.channel, ts=run.message_ts, text=text, blocks=blocks
            )
            return run.channel, run.message_ts
        sent = desk.client.chat_postMessage(channel=run.channel, text=text, blocks=blocks)
    except SlackApiError as error:
        if error.response["error"] not in UNREACHABLE:
            raise
        sent = desk.client.chat_postMessage(channel=run.requested_by, text=text, blocks=blocks)
    with desk.engine.begin() as db:
        runs.posted(db, run.id, sent["channel"], sent["ts"])
    return sent["channel"], sent["ts"]


def _announce(desk: Desk, deployment: Deployment) -> None:
    """Say once that the engine serves something else, or could not."""
    settled_at = deployment.loaded_at or (deployment.at if deployment.error else None)
    subject = f"deployment:{deployment.id}"
    if settled_at is None or time.time() - settled_at > NEWS:
        return
    with reading(desk.engine) as db:
        if cards.get(db, subject) is not None:
            return
    channel = _where_to_announce(desk, deployment)
    if not channel:
        return
    state = "could not be loaded" if deployment.error else "answers now"
    sent = desk.client.chat_postMessage(
        channel=channel, text=f"{deployment.adapter} {state}.", blocks=shown.loaded(deployment)
    )
    with desk.engine.begin() as db:
        cards.put(db, subject, channel=sent["channel"], ts=sent["ts"])


def _where_to_announce(desk: Desk, deployment: Deployment) -> str:
    """Where the adapter's run was followed, or else where reviewers are."""
    if deployment.adapter_id is not None:
        with reading(desk.engine) as db:
            run = runs.get(db, adapters.get(db, deployment.adapter_id).run_id)
        if run.channel:
            return run.channel
    return desk.settings.bot.review_channel
