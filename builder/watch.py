"""The trainer's steps in; progress for people, a metrics file, and a stop when someone asks for it, out."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from builder.job import Report
from lorekeeper.domain import Progress, Stage
from lorekeeper.errors import BadInput, Cancelled

COMPLETE = "complete"  # written last into a checkpoint; without it the checkpoint was cut off
EVERY = 0.5  # seconds between two reports


class Watch(TrainerCallback):  # type: ignore[misc]
    """Reports to the run's row. Raises in the training loop when the run was cancelled or taken away."""

    def __init__(self, report: Report, metrics: Path, *, tokens_per_step: float) -> None:
        self._report = report
        self._metrics = metrics
        self._tokens_per_step = tokens_per_step
        self._loss: float | None = None
        self._began = 0.0
        self._first = 0
        self._reported = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began = time.monotonic()
        self._first = state.global_step
        self._tell(state, force=True)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        values = dict(logs or {})
        if "loss" in values:
            self._loss = float(values["loss"])
        entry = {"step": state.global_step, "at": time.time(), **values}
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        if self._loss is not None and not math.isfinite(self._loss):
            raise BadInput(
                f"The loss became {self._loss} at step {state.global_step}.",
                fix="Use a smaller learning_rate, or look at the data of the last rows.",
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._tell(state)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        (folder / COMPLETE).write_text("", encoding="utf-8")

    def _tell(self, state: Any, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._reported < EVERY and state.global_step < state.max_steps:
            return
        self._reported = now
        done = state.global_step - self._first
        pace = (now - self._began) / done if done else None
        run = self._report(
            Progress(
                stage=Stage.TRAINING,
                step=state.global_step,
                steps=state.max_steps,
                loss=self._loss,
                tokens_per_second=self._tokens_per_step / pace if pace else None,
                seconds_left=pace * (state.max_steps - state.global_step) if pace else None,
            )
        )
        if run.cancel_requested_by:
            raise Cancelled(
                f"Run {run.id} was cancelled by {run.cancel_requested_by}.",
                fix="Its last checkpoint is kept; retrain starts anew.",
            )


def last_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint that was written to its end."""
    found = [path.parent for path in work.glob(f"checkpoint-*/{COMPLETE}")]
    return max(found, key=lambda path: int(path.name.rsplit("-", 1)[1]), default=None)
