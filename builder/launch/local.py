"""A run in; a child process of this worker, out. It dies with its worker, and frees the GPU for certain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from builder.launch import Ended, Launched
from builder.launch.command import argv
from lorekeeper import settings as config
from lorekeeper.domain import Run
from lorekeeper.settings import Settings
from lorekeeper.up import die_with_parent

POLITE = 10.0  # seconds between SIGTERM and SIGKILL
KILLED = -signal.SIGKILL  # how the kernel ends a process that took too much memory
OUT_OF_MEMORY = "The training process was killed, most likely because memory ran out. Use a smaller batch_size or max_tokens."


@dataclass(frozen=True, slots=True)
class Local:
    """On this machine."""

    settings: Settings

    def start(self, run: Run, worker: str, log: Path) -> Launched:
        with log.open("ab") as output:
            process = subprocess.Popen(
                argv(run, worker, self.settings.launch, python=sys.executable),
                env={
                    **os.environ,
                    **config.environment(self.settings),
                    "TOKENIZERS_PARALLELISM": "false",
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        return Child(process)


@dataclass(frozen=True, slots=True)
class Child:
    """A process in a group of its own."""

    process: subprocess.Popen[bytes]

    def ended(self) -> Ended | None:
        code = self.process.poll()
        if code is None:
            return None
        return Ended(code=code, why=OUT_OF_MEMORY if code == KILLED else "")

    def waits_for(self) -> str:
        return ""

    def stop(self) -> None:
        if self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        end = time.monotonic() + POLITE
        while self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
