"""The trainer's steps in; progress for people, a metrics file, and a stop when someone asks for it, out."""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from builder.job import Report, heed
from lorekeeper.domain import Progress, Stage
from lorekeeper.errors import BadInput

COMPLETE = "complete"  # written last into a checkpoint; without it the checkpoint was cut off
EVERY = 0.5  # seconds between two reports
WINDOW = 10  # steps that are averaged to see whether the loss runs away


class Watch(TrainerCallback):  # type: ignore[misc]
    """Reports to the run's row. Raises in the training loop when the run was cancelled or taken away,
    or when going on is pointless."""

    def __init__(
        self, report: Report, metrics: Path, *, tokens_per_step: float, note: str = ""
    ) -> None:
        self._report = report
        self._metrics = metrics
        self._tokens_per_step = tokens_per_step
        self._note = note
        self._loss: float | None = None
        self._validation: float | None = None
        self._first_losses: list[float] = []
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._began = 0.0
        self._first = 0
        self._reported = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began = time.monotonic()
        self._first = state.global_step
        self._tell(state, force=True)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        values = dict(logs or {})
        if "eval_loss" in values:
            self._validation = values["validation_loss"] = values.pop("eval_loss")
        entry = {"step": state.global_step, "at": time.time(), **values}
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        if "loss" in values:
            self._loss = float(values["loss"])
            self._refuse_hopeless(self._loss, state.global_step, args.learning_rate)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._tell(state)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        (folder / COMPLETE).write_text("", encoding="utf-8")

    def _refuse_hopeless(self, loss: float, step: int, rate: float) -> None:
        """Stop where the loss is no number any more, or twice what it was and a nat more."""
        smaller = f"Use a smaller learning_rate: this run had {rate:g}, try {rate / 4:g}"
        if not math.isfinite(loss):
            raise BadInput(
                f"The loss became {loss} at step {step}.",
                fix=f"{smaller}, or look at the data of the last rows. Nothing was registered.",
            )
        if len(self._first_losses) < WINDOW:
            self._first_losses.append(loss)
        self._losses.append(loss)
        before, now = _mean(self._first_losses), _mean(self._losses)
        if now > max(2 * before, before + 1):
            raise BadInput(
                f"Training diverges: the loss was {before:.2f} in the first {WINDOW} steps and is {now:.2f} at step {step}.",
                fix=f"{smaller}, or a longer warmup. Nothing was registered.",
            )

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
                validation_loss=self._validation,
                tokens_per_second=self._tokens_per_step / pace if pace else None,
                seconds_left=pace * (state.max_steps - state.global_step) if pace else None,
                memory=peak_memory(),
                note=self._note,
            )
        )
        heed(run)


def peak_memory() -> int:
    """Most bytes that this process has held: of the GPU where there is one, else of main memory."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def last_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint that was written to its end."""
    found = [path.parent for path in work.glob(f"checkpoint-*/{COMPLETE}")]
    return max(found, key=lambda path: int(path.name.rsplit("-", 1)[1]), default=None)


def _mean(values: list[float] | deque[float]) -> float:
    return sum(values) / len(values)
