"""A run in; a Slurm job that computes it on one node or many, out.

Workers and nodes share the data folder and the environment of Python, under the same paths.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from builder.launch import Ended, Launched
from builder.launch.command import Node, argv, job_name
from lorekeeper import settings as config
from lorekeeper.domain import Run
from lorekeeper.errors import MissingPart, NotReachable
from lorekeeper.settings import Settings

logger = structlog.get_logger(__name__)

PATIENCE = 60.0  # seconds in which a job that was told to end must be gone; Slurm kills after 30
WAITING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SUSPENDED"})  # fmt: skip
WORKING = frozenset({"RUNNING", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"})
# How Slurm ends a job that did nothing wrong: the run goes on from its last checkpoint.
INTERRUPTED = {
    "TIMEOUT": "the job reached its time limit; ask for more with --time in LORE_LAUNCH__SBATCH",
    "NODE_FAIL": "a node of the job failed",
    "BOOT_FAIL": "a node of the job did not start",
    "PREEMPTED": "the job made room for another one",
    "DEADLINE": "the job reached its deadline",
}
OUT_OF_MEMORY = "The job took more memory than it was given. Ask for more with --mem in LORE_LAUNCH__SBATCH, or use a smaller batch_size or max_tokens."


@dataclass(frozen=True, slots=True)
class Slurm:
    """On the cluster whose commands (`sbatch`, `squeue`, `sacct`, `scontrol`, `scancel`) are here."""

    settings: Settings

    def start(self, run: Run, worker: str, log: Path) -> Launched:
        name = job_name(run, self.settings)
        _end(f"--name={name}")  # of an attempt whose worker died
        told = _run(
            ["sbatch", "--parsable"],
            script=script(run, worker, self.settings, log.resolve()),
            environment=config.environment(self.settings),
        )
        return SlurmJob(id=told.strip().partition(";")[0], every=self.settings.launch.look_seconds)


def script(run: Run, worker: str, settings: Settings, log: Path) -> str:
    """What `sbatch` is given. The settings travel as environment variables, which no file shows."""
    launch = settings.launch
    options = [
        f"--job-name={job_name(run, settings)}",
        f"--output={log}",
        "--open-mode=append",
        f"--nodes={launch.nodes}",
        "--ntasks-per-node=1",
        "--requeue",
        f"--chdir={Path.cwd()}",
        *launch.sbatch,
    ]
    lines = ["#!/bin/bash", *(f"#SBATCH {option}" for option in options), "set -eu"]
    lines.append("export TOKENIZERS_PARALLELISM=false")
    if launch.nodes > 1:
        lines.append('FIRST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)')
        lines.append("export FIRST PORT=$((20000 + SLURM_JOB_ID % 20000))")
    node = Node(rank="$SLURM_NODEID", first="$FIRST", port="$PORT")
    words = argv(run, worker, launch, python=launch.python or sys.executable, node=node)
    # The node's own shell fills in which one it is.
    train = " ".join(word if word.startswith("$") else shlex.quote(word) for word in words)
    lines.append(f"exec srun --kill-on-bad-exit=1 bash -c {shlex.quote(f'exec {train}')}")
    return "\n".join(lines) + "\n"


@dataclass(slots=True, kw_only=True)
class SlurmJob:
    """A job, by its number."""

    id: str
    every: float  # seconds between two questions to the controller, which serves the whole cluster
    _asked_at: float = -1e9
    _state: str = "PENDING"
    _reason: str = ""
    _ended: Ended | None = field(default=None)

    def ended(self) -> Ended | None:
        if self._ended is None and time.monotonic() - self._asked_at >= self.every:
            self._look()
            self._asked_at = time.monotonic()
        return self._ended

    def waits_for(self) -> str:
        if self._state not in WAITING:
            return ""
        reason = f" ({self._reason})" if self._reason not in {"", "None"} else ""
        return f"waiting in Slurm's queue as job {self.id}{reason}"

    def stop(self) -> None:
        if self._ended is None:
            _end(self.id)

    def _look(self) -> None:
        try:
            told = _queue(f"--jobs={self.id}", "--states=all")
        except NotReachable as error:  # the controller restarts now and then; the job does not
            logger.warning("Slurm does not answer", job=self.id, what=error.what)
            return
        self._state, self._reason = told[0] if told else ("", "")
        if self._state not in WAITING | WORKING:
            self._ended = _how_it_ended(self.id)


def _how_it_ended(job: str) -> Ended | None:
    """From the accounting, or from the controller where there is none; None while neither knows."""
    for ask in (_accounted, _controlled):
        state, code = ask(job)
        if state and state not in WAITING | WORKING:
            return _ended(state, code)
    return None


def _ended(state: str, code: int) -> Ended:
    if state == "COMPLETED":
        return Ended(code=0)
    if state == "OUT_OF_MEMORY":
        return Ended(code=code or 1, why=OUT_OF_MEMORY)
    if state in INTERRUPTED:
        why = f"Slurm ended the run: {INTERRUPTED[state]}."
        return Ended(code=code or 1, why=why, may_go_on=True)
    if state == "CANCELLED":
        return Ended(code=code or 1, why="Somebody ended the job with scancel. Retrain to go on.")
    return Ended(code=code or 1)


def _accounted(job: str) -> tuple[str, int]:
    """State and exit code by `sacct`; ("", 0) where there is no accounting, or it knows nothing yet."""
    try:
        told = _run(
            ["sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={job}", "--format=State,ExitCode"]
        )  # fmt: skip
    except (NotReachable, MissingPart):
        return "", 0
    state, _, code = told.strip().partition("|")
    # "CANCELLED by 1000", and "2:0" for the exit code and a signal.
    return state.split(" ")[0], int(code.partition(":")[0] or 0) if state else 0


def _controlled(job: str) -> tuple[str, int]:
    """The same by `scontrol`, which remembers a job for some minutes."""
    try:
        told = _run(["scontrol", "--oneliner", "show", "job", job])
    except NotReachable:
        return "", 0
    fields = dict(word.split("=", 1) for word in told.split() if "=" in word)
    return fields.get("JobState", ""), int(fields.get("ExitCode", "0:0").partition(":")[0])


def _end(which: str) -> None:
    """Cancel the jobs that `which` names, and wait until they are gone."""
    _run(["scancel", "--me", which] if which.startswith("--") else ["scancel", which])
    end = time.monotonic() + PATIENCE
    listed = which if which.startswith("--") else f"--jobs={which}"
    while any(state in WAITING | WORKING for state, _ in _queue(listed)):
        if time.monotonic() > end:
            raise NotReachable(
                f"The Slurm job {which} does not end.", fix="Look at it with squeue and scontrol."
            )
        time.sleep(0.2)


def _queue(*which: str) -> list[tuple[str, str]]:
    """State and reason of each job that `squeue` shows."""
    try:
        told = _run(["squeue", "--me", "--noheader", "--format=%T|%r", *which])
    except NotReachable as error:
        if "Invalid job id" in error.what:  # it ended a while ago
            return []
        raise
    return [
        (state, reason)
        for state, _, reason in (line.partition("|") for line in told.split("\n"))
        if state
    ]


def _run(words: Sequence[str], script: str = "", environment: dict[str, str] | None = None) -> str:
    if shutil.which(words[0]) is None:
        raise MissingPart(
            f"There is no {words[0]} here, which LORE_TRAIN__LAUNCHER=slurm needs.",
            fix="Run `lore worker` where Slurm's commands are, on a login node for example.",
        )
    try:
        done = subprocess.run(
            words,
            input=script,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise NotReachable(
            f"{words[0]} did not answer in {PATIENCE:.0f} s.", fix="Look at the cluster with sinfo."
        ) from None
    if done.returncode:
        raise NotReachable(
            f"{words[0]} refused: {done.stderr.strip() or done.returncode}.",
            fix="Look at LORE_LAUNCH__SBATCH, and at the cluster with sinfo.",
        )
    return done.stdout
