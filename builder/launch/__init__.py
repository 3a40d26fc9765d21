"""Where a run computes: a claimed run in; a process that can be watched and stopped, out.

`LORE_TRAIN__LAUNCHER` chooses among a child process here, a Slurm job, and a Kubernetes Job. What a run
does is the same everywhere: `python -m builder.train RUN WORKER`, which reports to the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lorekeeper.domain import Run
from lorekeeper.errors import BadInput
from lorekeeper.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run's process ended."""

    code: int  # its exit code; 0: done, 2: it said why in the last line of its log
    why: str = ""  # what ended it from outside, and what to do, in words; "" where nothing did
    may_go_on: bool = (
        False  # the machine failed and not the run: it goes on from its last checkpoint
    )


class Launched(Protocol):
    """A run's process, wherever it computes."""

    def ended(self) -> Ended | None:
        """How it ended; None while it waits or works."""

    def waits_for(self) -> str:
        """What keeps it from starting, in words; "" once it works."""

    def stop(self) -> None:
        """Ask it to end, then make it. It is gone when this returns."""


class Launcher(Protocol):
    """Starts runs. A run has one process at most, also when the worker that started it died."""

    def start(self, run: Run, worker: str, log: Path) -> Launched:
        """Start `builder.train` for a run that `worker` holds; what it prints is appended to `log`.

        Raises:
            MissingPart: the cluster's command is not installed here.
            NotReachable: the cluster refused; says what it said.
        """


def of(settings: Settings) -> Launcher:
    """The launcher that the settings name.

    Raises:
        BadInput: a job elsewhere could not reach the database, or has no image to run.
    """
    from builder.launch.kubernetes import Kubernetes
    from builder.launch.local import Local
    from builder.launch.slurm import Slurm

    if settings.train.launcher == "local":
        return Local(settings)
    if settings.database_url.startswith("sqlite"):
        raise BadInput(
            f"A run on {settings.train.launcher} cannot report to SQLite, which is for one machine.",
            fix="Set LORE_STORE__DATABASE to a PostgreSQL URL that the nodes reach, or LORE_TRAIN__LAUNCHER=local.",
        )
    if settings.train.launcher == "slurm":
        return Slurm(settings)
    if not settings.launch.image:
        raise BadInput(
            "A Kubernetes Job needs an image that has Lorekeeper in it.",
            fix="Set LORE_LAUNCH__IMAGE.",
        )
    return Kubernetes(settings)
