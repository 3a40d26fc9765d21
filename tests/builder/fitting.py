"""A small fit on the tiny model, as the tests of training need it, with what is to be different."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import tiny
import torch

from builder import encode, fit, weights
from builder import watch as watching
from builder.recipes import Recipe
from lorekeeper import prompt
from lorekeeper.domain import Progress

torch.set_num_threads(1)  # on a busy machine, two threads mostly wait for each other
WORDS = tiny.tokenizer()
QUICK: dict[str, Any] = {
    "quantization": "none", "rank": 4, "dropout": 0.0, "learning_rate": 0.01, "epochs": 2,
    "batch_size": 4, "accumulation": 1, "checkpoint_steps": 2, "warmup": 0.0,
}  # fmt: skip


def examples(count: int, *, start: int = 0, answer: str = "Set x to {}.") -> list[encode.Example]:
    return [
        encode.example(
            number,
            prompt.messages(f"How do I set {'x' * (number % 5 + 1)}?"),
            answer.format(number),
            WORDS,
        )
        for number in range(start, start + count)
    ]


def fitted(
    base: Path,
    work: Path,
    *,
    rows: list[encode.Example] | None = None,
    validation: list[encode.Example] | None = None,
    watch: Callable[[Progress], Any] = lambda progress: None,
    trackers: tuple[str, ...] = (),
    **changes: Any,
) -> tuple[fit.Fitted, Any]:
    """What `fit` says, and the model that it trained."""
    work.mkdir(exist_ok=True)
    recipe = Recipe.model_validate(QUICK | changes)

    def report(progress: Progress) -> Any:
        watch(progress)
        return SimpleNamespace(id=1, cancel_requested_by=None)

    with mock.patch.object(weights, "compute_type", return_value=torch.float32):
        model = fit.load(base, recipe)  # 16 bits round more than these tests tell apart
    with mock.patch.object(watching, "EVERY", 0.0):  # tell every step
        told = fit.fit(
            model,
            examples(16) if rows is None else rows,
            recipe,
            work,
            report,
            validation=examples(6, start=100) if validation is None else validation,
            trackers=trackers,
        )
    return told, model
