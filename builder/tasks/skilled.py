"""A task in; the adapter that does it, or one that was trained on it alone, out."""

from __future__ import annotations

from sqlalchemy import Connection

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Adapter, Outcome
from lorekeeper.store import adapters


def doing(db: Connection, task: str) -> Adapter | None:
    """The newest adapter that was found better than the base at this task, which is its own."""
    found = [
        adapter
        for adapter in adapters.all(db)
        if adapter.verdict.outcome is Outcome.FOR_TASK
        and task in {score.task for score in adapter.evaluation.tasks}
    ]
    return found[-1] if found else None


def alone(
    db: Connection, artifacts: ArtifactStore, task: str, *, version: str, base_model: str
) -> Adapter | None:
    """The newest adapter of a run on this task alone, on these very rows and this base."""
    for adapter in reversed(adapters.all(db)):
        of_task = [score for score in adapter.evaluation.tasks if score.task == task]
        if not of_task or of_task[0].version != version or adapter.base_model != base_model:
            continue
        if artifacts.manifest(adapter.folder).get("recipe", {}).get("way") == "task":
            return adapter
    return None
