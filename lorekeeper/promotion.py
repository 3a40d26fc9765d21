"""Somebody's decision what is served in; the deployment, recorded with who and why, out.

Slack and the terminal decide by these two functions, so that the record is the same.
"""

from __future__ import annotations

from sqlalchemy import Connection

from lorekeeper.domain import BASE_NAME, Adapter, Deployment, Outcome
from lorekeeper.errors import BadInput
from lorekeeper.store import adapters, deployments, runs


def promote(db: Connection, name: str, *, by: str, why: str) -> Deployment:
    """Serve this adapter (`base`: none) from now on. What the gate did not promote needs a reason.

    Raises:
        NotFound: there is no such adapter.
        BadInput: the gate said otherwise, and no reason is given.
    """
    if name == BASE_NAME:
        return _deploy(db, None, by=by, why=why or "the base model, chosen by hand")
    adapter = adapters.by_name(db, name)
    if not overrules(adapter):
        return _deploy(db, adapter, by=by, why=why or "promoted by hand, as the gate had said")
    if not why:
        raise BadInput(
            f"The gate said {adapter.verdict.outcome.value} to {name}: {' '.join(adapter.verdict.reasons)}",
            fix=f"To overrule it, say why: `promote {name} WHY`, in a terminal `--why WHY`.",
        )
    said = adapter.verdict.outcome.value
    return _deploy(db, adapter, by=by, why=f"against the gate, which had said {said}: {why}")


def roll_back(db: Connection, *, by: str, why: str) -> Deployment:
    """Serve again what was served before.

    Raises:
        NotFound: nothing was served before the current one.
    """
    before = deployments.current(db)
    made = deployments.rollback(db, by=by, why=why or "rolled back by hand")
    for one in (before, made):
        if one is not None and one.adapter_id is not None:
            _redraw(db, adapters.get(db, one.adapter_id))
    return made


def overrules(adapter: Adapter) -> bool:
    """Whether serving it goes against what the gate said."""
    return adapter.verdict.outcome is not Outcome.PROMOTE


def _deploy(db: Connection, adapter: Adapter | None, *, by: str, why: str) -> Deployment:
    before = deployments.current(db)
    made = deployments.deploy(db, adapter_id=adapter.id if adapter else None, by=by, why=why)
    if before is not None and before.adapter_id is not None:
        _redraw(db, adapters.get(db, before.adapter_id))
    if adapter is not None:
        _redraw(db, adapter)
    return made


def _redraw(db: Connection, adapter: Adapter) -> None:
    """The message about its run offers another button now."""
    runs.shows(db, adapter.run_id, "")
