"""An adapter in; what people decided about it after its run, in words, out."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection

from lorekeeper.domain import Adapter, Deployment
from lorekeeper.store import deployments


def since(db: Connection, adapter: Adapter) -> list[str]:
    """Every decision to serve it, oldest first."""
    decided = [row for row in deployments.history(db, limit=None) if row.adapter_id == adapter.id]
    return [_decision(row) for row in reversed(decided)]


def _decision(row: Deployment) -> str:
    day = datetime.fromtimestamp(row.at, UTC).strftime("%Y-%m-%d")
    failed = f" The engine could not load it: {row.error}" if row.error else ""
    return f"{day}, by {row.by}: {row.why}{failed}"
