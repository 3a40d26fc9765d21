"""An adapter in; what people decided about it after its run, in words, out."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection

from builder.report.votes import in_words, tally
from lorekeeper.domain import Adapter, Comparison, Deployment
from lorekeeper.store import comparisons, deployments


def since(db: Connection, adapter: Adapter) -> list[str]:
    """Every decision to serve it, oldest first, and every blind vote that was closed."""
    decided = [row for row in deployments.history(db, limit=None) if row.adapter_id == adapter.id]
    voted = comparisons.of_adapter(db, adapter.name)
    return [
        *[_decision(row) for row in reversed(decided)],
        *[line for about in reversed(voted) for line in _vote(db, about)],
    ]


def compared(db: Connection, one: str, other: str) -> list[str]:
    """What people, and a judge, found when they compared these two blind; newest first."""
    return [line for about in comparisons.between(db, one, other) for line in _vote(db, about)]


def _vote(db: Connection, about: Comparison) -> list[str]:
    result = in_words(about, tally(comparisons.votes_of(db, about.id)))
    told = str((about.judged or {}).get("told", ""))
    return [
        f"{_day(about.closed_at or about.at)}, a blind vote: {result}",
        *([told] if told else []),
    ]


def _decision(row: Deployment) -> str:
    failed = f" The engine could not load it: {row.error}" if row.error else ""
    return f"{_day(row.at)}, by {row.by}: {row.why}{failed}"


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
