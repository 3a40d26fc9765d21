"""Training runs: queue, claim, beat, report, cancel, finish, and take back from the dead.

Every move is one `UPDATE … WHERE state = expected`, so that of two workers exactly one wins.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Update, exists, func, insert, select, update

from lorekeeper.domain import RUN_MOVES, Goal, Plan, Progress, Run, RunState, Stage
from lorekeeper.errors import LeaseLost, NotFound, StaleDecision
from lorekeeper.store.rows import plain, revive
from lorekeeper.tables import runs

MAX_ATTEMPTS = 3
"""A run whose workers died this often is given up: it is probably what kills them."""


def queue(
    db: Connection,
    *,
    dataset_id: int,
    recipe: str,
    options: Mapping[str, Any],
    base_model: str,
    requested_by: str,
    channel: str | None = None,
    goal: Goal = Goal.ADAPTER,
) -> Run:
    """Add a run that waits for a worker. `channel` is where its one message will be."""
    row = db.execute(
        insert(runs)
        .values(
            dataset_id=dataset_id,
            recipe=recipe,
            options=plain(options),
            base_model=base_model,
            state=RunState.QUEUED.value,
            requested_by=requested_by,
            requested_at=time.time(),
            progress=plain(Progress()),
            channel=channel,
            goal=goal.value,
        )
        .returning(runs)
    )
    return revive(Run, row.mappings().one())


def get(db: Connection, run_id: int) -> Run:
    """Raises NotFound."""
    row = db.execute(select(runs).where(runs.c.id == run_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no run {run_id}.", fix="`lore runs` lists the latest.")
    return revive(Run, row)


def latest(db: Connection, limit: int = 10) -> list[Run]:
    """The newest runs, newest first."""
    found = db.execute(select(runs).order_by(runs.c.id.desc()).limit(limit))
    return [revive(Run, row) for row in found.mappings()]


def unfinished(db: Connection) -> list[Run]:
    """Runs that wait or work, oldest first."""
    open_states = (RunState.QUEUED.value, RunState.RUNNING.value)
    found = db.execute(select(runs).where(runs.c.state.in_(open_states)).order_by(runs.c.id))
    return [revive(Run, row) for row in found.mappings()]


def of_dataset(db: Connection, dataset_id: int) -> list[Run]:
    """Runs on a dataset version, oldest first."""
    found = db.execute(select(runs).where(runs.c.dataset_id == dataset_id).order_by(runs.c.id))
    return [revive(Run, row) for row in found.mappings()]


def claim(db: Connection, worker: str, *, alone: bool = True) -> Run | None:
    """Take the oldest queued run, or None.

    With `alone`, nothing is taken while any run of this database is running: one accelerator
    trains one model at a time.
    """
    others = runs.alias()
    oldest = (
        select(func.min(others.c.id)).where(others.c.state == RunState.QUEUED).scalar_subquery()
    )
    now = time.time()
    take = update(runs).where(runs.c.id == oldest, runs.c.state == RunState.QUEUED)
    if alone:
        running = runs.alias()
        take = take.where(~exists().where(running.c.state == RunState.RUNNING))
    return _one(
        db,
        take.values(
            state=RunState.RUNNING.value,
            worker=worker,
            heartbeat_at=now,
            attempt=runs.c.attempt + 1,
            started_at=func.coalesce(runs.c.started_at, now),
            progress=plain(Progress(stage=Stage.PREPARING)),
        ),
    )


def beat(db: Connection, run_id: int, worker: str) -> Run:
    """Say that the worker is alive; the run as it is now, with any request to cancel.

    Raises:
        LeaseLost: the run was given to another worker, or is over.
    """
    return _mine(db, run_id, worker, heartbeat_at=time.time())


def report(db: Connection, run_id: int, worker: str, progress: Progress) -> Run:
    """Store how far the run is.

    Raises:
        LeaseLost: the run was given to another worker, or is over.
    """
    return _mine(db, run_id, worker, progress=plain(progress))


def planned(db: Connection, run_id: int, worker: str, plan: Plan) -> Run:
    """Store what the run will take.

    Raises:
        LeaseLost: the run was given to another worker, or is over.
    """
    return _mine(db, run_id, worker, plan=plain(plan))


def found(db: Connection, run_id: int, worker: str, words: str) -> Run:
    """Store what a curve or a search found.

    Raises:
        LeaseLost: the run was given to another worker, or is over.
    """
    return _mine(db, run_id, worker, found=words)


def finish(
    db: Connection,
    run_id: int,
    worker: str,
    state: RunState,
    *,
    adapter_id: int | None = None,
    error: str | None = None,
) -> Run:
    """End the run, or with QUEUED give it back for another worker to go on with.

    Raises:
        LeaseLost: the run was given to another worker, or is over.
    """
    if state not in RUN_MOVES[RunState.RUNNING]:
        raise ValueError(f"a running run cannot become {state}")
    back = state is RunState.QUEUED
    ending: dict[str, Any] = {"worker": None, "heartbeat_at": None} if back else {}
    return _mine(
        db,
        run_id,
        worker,
        state=state.value,
        adapter_id=adapter_id,
        error=error,
        ended_at=None if back else time.time(),
        **ending,
    )


def request_cancel(db: Connection, run_id: int, by: str) -> Run:
    """Cancel a queued run at once; ask the worker of a running one to stop.

    Raises:
        NotFound: no such run.
        StaleDecision: it is over already.
    """
    waiting = update(runs).where(runs.c.id == run_id, runs.c.state == RunState.QUEUED)
    working = update(runs).where(runs.c.id == run_id, runs.c.state == RunState.RUNNING)
    cancelled = _one(
        db,
        waiting.values(
            state=RunState.CANCELLED.value, cancel_requested_by=by, ended_at=time.time()
        ),
    ) or _one(db, working.values(cancel_requested_by=by))
    if cancelled is not None:
        return cancelled
    now = get(db, run_id)
    raise StaleDecision(f"Run {run_id} is {now.state} already.", fix="Nothing was changed.")


def reap(db: Connection, lease_seconds: float) -> list[Run]:
    """Take running runs back whose worker was silent for `lease_seconds`; the runs that were moved.

    They are queued again, from their last checkpoint; cancelled, where that was asked for; or
    failed, after `MAX_ATTEMPTS` workers died on them.
    """
    return [moved for run in _silent(db, lease_seconds) if (moved := _take_back(db, run))]


def posted(db: Connection, run_id: int, channel: str, message_ts: str) -> None:
    """Remember where the run's one message is."""
    db.execute(
        update(runs).where(runs.c.id == run_id).values(channel=channel, message_ts=message_ts)
    )


SHOWN_TO_THE_END = "over"


def to_show(db: Connection) -> list[tuple[Run, str]]:
    """Runs whose message may be behind, oldest first, each with what the message shows."""
    behind = runs.c.announced.is_(None) | (runs.c.announced != SHOWN_TO_THE_END)
    found = db.execute(select(runs).where(runs.c.channel.is_not(None), behind).order_by(runs.c.id))
    return [(revive(Run, row), row["announced"] or "") for row in found.mappings()]


def shows(db: Connection, run_id: int, what: str) -> None:
    """Remember what the run's message shows; `SHOWN_TO_THE_END` when it needs no more edits."""
    db.execute(update(runs).where(runs.c.id == run_id).values(announced=what))


def _silent(db: Connection, lease_seconds: float) -> list[Run]:
    found = db.execute(
        select(runs)
        .where(
            runs.c.state == RunState.RUNNING,
            runs.c.heartbeat_at < time.time() - lease_seconds,
        )
        .order_by(runs.c.id)
    )
    return [revive(Run, row) for row in found.mappings()]


def _take_back(db: Connection, run: Run) -> Run | None:
    values: dict[str, Any] = {"ended_at": time.time()}
    if run.cancel_requested_by:
        values |= {"state": RunState.CANCELLED.value}
    elif run.attempt >= MAX_ATTEMPTS:
        values |= {
            "state": RunState.FAILED.value,
            "error": f"The worker died {run.attempt} times during this run. "
            "Look at the machine's memory and the worker's log, then retrain.",
        }
    else:
        values = {"state": RunState.QUEUED.value, "worker": None, "heartbeat_at": None}
    as_seen = update(runs).where(
        runs.c.id == run.id,
        runs.c.state == RunState.RUNNING,
        runs.c.heartbeat_at == run.heartbeat_at,
    )
    return _one(db, as_seen.values(values))


def _mine(db: Connection, run_id: int, worker: str, /, **values: Any) -> Run:
    held = update(runs).where(
        runs.c.id == run_id, runs.c.state == RunState.RUNNING, runs.c.worker == worker
    )
    run = _one(db, held.values(**values))
    if run is None:
        now = get(db, run_id)
        raise LeaseLost(
            f"Run {run_id} is {now.state}, held by {now.worker or 'nobody'}, no longer by {worker}.",
            fix="This process stops; the run goes on elsewhere or is over.",
        )
    return run


def _one(db: Connection, change: Update) -> Run | None:
    row = db.execute(change.returning(runs)).mappings().one_or_none()
    return revive(Run, row) if row is not None else None
