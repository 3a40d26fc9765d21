"""A model and encoded answers in; what it thinks of them, and how well it tells good from bad, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from builder import encode, shards, weights
from builder.launch import processes
from builder.preference.encoded import Known, Unit
from builder.preference.losses import log_probabilities
from builder.preference.trainer import padded
from builder.recipes import Recipe
from lorekeeper.domain import Preference

BATCH_TOKENS = 4096  # prompt and answer tokens that are scored at once


def measure(model: Any, heldout: Sequence[Unit], recipe: Recipe, about: Preference) -> Preference:
    """`about`, with what was learned, as preferences show it that were held out.

    Of single answers every helpful one is compared with every unhelpful one: the accuracy is then the
    area under the ROC curve.
    """
    known = [row for unit in heldout for row in unit.answers]
    now = dict(zip(map(id, known), think(model, [row.example for row in known]), strict=True))

    def reward(row: Known) -> float:
        return recipe.beta * (now[id(row)] - row.reference)

    better = [row for row in known if row.helpful]
    worse = [row for row in known if not row.helpful]
    compared = (
        [(unit.answers[0], unit.answers[1]) for unit in heldout]
        if recipe.preference == "dpo"
        else list(product(better, worse))
    )
    return replace(
        about,
        margins=tuple(reward(one) - reward(other) for one, other in compared),
        preferred_before=tuple(-row.reference / row.example.learned for row in better),
        preferred_after=tuple(-now[id(row)] / row.example.learned for row in better),
    )


def think(model: Any, examples: Sequence[encode.Example]) -> list[float]:
    """Nats of each whole answer, at most 0, without dropout."""
    if processes.is_sharded():
        processes.tell(_beside, examples)
    return _thought(model, examples)


def _beside(examples: Sequence[encode.Example]) -> None:
    """The other processes take the same passes: each needs the weights of all."""
    _thought(shards.held(), examples)


def _thought(model: Any, examples: Sequence[encode.Example]) -> list[float]:
    found: dict[int, float] = {}
    with weights.measured(model):
        for places in _batches(examples):
            batch = padded([examples[place] for place in places])
            on_device = {name: value.to(model.device) for name, value in batch.items()}
            found |= dict(zip(places, log_probabilities(model, on_device).tolist(), strict=True))
    return [found[place] for place in range(len(examples))]


def _batches(examples: Sequence[encode.Example]) -> list[list[int]]:
    """Places of rows of like length, so that little is computed on padding."""
    batches: list[list[int]] = []
    for place in sorted(range(len(examples)), key=lambda at: len(examples[at].input_ids)):
        size = len(examples[place].input_ids)
        if batches and (len(batches[-1]) + 1) * size <= BATCH_TOKENS:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches
