"""Validation losses in; the best weights kept, and training stopped when it only memorises, out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from builder import weights
from builder.fit import BEST
from lorekeeper.artifacts import write_whole

LOSSES = "validation.json"


class EarlyStop(TrainerCallback):  # type: ignore[misc]
    """Asks for a validation every so many steps, and for a stop after `patience` of them without a better loss.

    Each comes with a checkpoint, so that a run that was killed knows the same losses when it goes on.
    """

    def __init__(self, work: Path, *, every: int, patience: int) -> None:
        self._work = work
        self._every = every
        self._patience = patience
        self.losses: list[tuple[int, float]] = []  # step, nats per answer token

    @property
    def best(self) -> tuple[int, float]:
        """The step with the lowest loss, the first of them, and that loss."""
        return min(self.losses, key=lambda entry: entry[1])

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        file = self._work / LOSSES
        known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
        self.losses = [(step, loss) for step, loss in known if step <= state.global_step]

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            control.should_evaluate = control.should_save = True

    def on_evaluate(
        self, args: Any, state: Any, control: Any, model: Any, metrics: Any, **_: Any
    ) -> None:
        self.losses.append((state.global_step, float(metrics["eval_loss"])))
        step, _loss = self.best
        if step == state.global_step and state.is_world_process_zero:
            weights.keep(model, self._work / BEST)
        if state.is_world_process_zero:
            write_whole(self._work / LOSSES, json.dumps(self.losses))
        since = len(self.losses) - 1 - self.losses.index(self.best)
        if self._patience and since >= self._patience:
            control.should_training_stop = True

    def use_best(self, model: Any) -> None:
        """Give the model the weights of the best validation."""
        weights.put_back(model, self._work / BEST)
