"""A recipe with its dial and the size of the data and the model in; every hyperparameter, and why, out. Pure.

One dial (`effort`) stands for all of them. What the recipe's file or a person sets wins over it.
The rules follow published measurements; each names its source.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from builder.recipes import Recipe
from builder.shape import Shape

RANKS = (8, 16, 32, 64, 128, 256)
BITS_PER_NUMBER = 2.0
"""What one weight can store (Allen-Zhu and Li, "Physics of Language Models", part 3.3, 2024)."""
NATS_PER_TOKEN = 2.5  # about what an answer's token costs a small instruct model before training
SEEN = {"low": 400, "medium": 1500, "high": 4000}
"""Rows, repeated ones counted again, that training aims at."""
MOST_EPOCHS = {"low": 2.0, "medium": 4.0, "high": 8.0}
"""Up to four passes over the same data are worth nearly as much as new data (Muennighoff et al.,
"Scaling Data-Constrained Language Models", 2023); beyond that only early stopping makes it safe."""
LEAST_RANK = {"low": 8, "medium": 16, "high": 32}
FULL_RATE, ADAPTER_TIMES = 5e-5, 10.0
"""A full fine-tuning's rate at 2,000 hidden numbers, and how much faster an adapter learns ("LoRA
Without Regret", Schulman et al. 2025)."""
EXPONENT = {"qwen": 0.0775, "other": 0.781}
"""How the best rate falls with the hidden size; fitted by the same authors for Qwen and for Llama."""
SHORT_RUN, SHORT_TIMES = 100, 1.5  # steps; short runs like 15 instead of 10 times (the same source)
RATES = (1e-5, 1e-3)  # the fits are of models with 1B parameters or more: no farther than this


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the dial looks at."""

    rows: int
    answer_tokens: int  # in all training rows together
    shape: Shape
    most_rank: int  # that the engine serves


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One field that the dial set."""

    field: str
    value: Any
    why: str

    def __str__(self) -> str:
        return f"{self.field}={self.value:g}: {self.why}"


def dial(recipe: Recipe, facts: Facts) -> tuple[Recipe, tuple[Choice, ...]]:
    """The recipe with every field filled in that nobody set, and what was filled in."""
    chosen: list[Choice] = []
    for field in [field for field in _RULES if field not in recipe.model_fields_set]:
        value, why = _RULES[field](recipe, facts)
        if value is not None:
            recipe = recipe.model_copy(update={field: value})
            chosen.append(Choice(field=field, value=value, why=why))
    return recipe, tuple(chosen)


def _rank(recipe: Recipe, facts: Facts) -> tuple[int | None, str]:
    """Enough numbers to store what the answers say; small data needs no high rank (Schulman et al.)."""
    if recipe.trains != "adapter":
        return None, ""
    bits = facts.answer_tokens * NATS_PER_TOKEN / math.log(2)
    per_rank = facts.shape.adapter(recipe.model_copy(update={"rank": 1}))
    needed = bits / BITS_PER_NUMBER / max(1, per_rank)
    least = max(LEAST_RANK[recipe.effort], needed)
    rank = next((rank for rank in RANKS if rank >= least), RANKS[-1])
    why = f"the answers hold about {bits / 1e3:,.0f} kbit, for which rank {math.ceil(needed)} is enough"
    if rank > facts.most_rank:
        return facts.most_rank, f"{why}; more is not served"
    return rank, why


def _alpha(recipe: Recipe, facts: Facts) -> tuple[int | None, str]:
    if recipe.trains != "adapter":
        return None, ""
    return 2 * recipe.rank, "twice the rank (Biderman et al. 2024)"


def _batch_size(recipe: Recipe, facts: Facts) -> tuple[int | None, str]:
    return min(4, _rows_per_step(facts)), "rows at once; the rest of a step is accumulated"


def _accumulation(recipe: Recipe, facts: Facts) -> tuple[int | None, str]:
    """Batches under 32 rows suit adapters, and small data wants small steps (Schulman et al.)."""
    wanted = _rows_per_step(facts)
    count = max(1, wanted // recipe.batch_size)
    return count, f"{recipe.batch_size * count} rows a step suit {facts.rows} rows"


def _rows_per_step(facts: Facts) -> int:
    """4 to 16: at least 16 steps a pass where there are rows for it."""
    fitting: int = 2 ** int(math.log2(max(1, facts.rows / 16)))
    return max(4, min(16, fitting))


def _epochs(recipe: Recipe, facts: Facts) -> tuple[float | None, str]:
    seen = SEEN[recipe.effort]
    epochs = min(MOST_EPOCHS[recipe.effort], max(1.0, round(seen / facts.rows, 1)))
    return (
        epochs,
        f"{recipe.effort} aims at {seen} rows seen, in at most {MOST_EPOCHS[recipe.effort]:g} passes",
    )


def _learning_rate(recipe: Recipe, facts: Facts) -> tuple[float | None, str]:
    """5e-5 × (2000 ÷ hidden) ^ exponent for a whole model, 10 to 15 times that for an adapter."""
    family = "qwen" if facts.shape.kind.startswith("qwen") else "other"
    rate = FULL_RATE * (2000 / facts.shape.hidden) ** EXPONENT[family]
    why = f"for {facts.shape.hidden} hidden numbers"
    if recipe.trains == "adapter":
        rate *= ADAPTER_TIMES
        why += ", 10 times a full fine-tuning's"
    steps = recipe.epochs * facts.rows / (recipe.batch_size * recipe.accumulation)
    if steps < SHORT_RUN and recipe.trains == "adapter":
        rate *= SHORT_TIMES
        why += f", and half as much again for {steps:.0f} steps"
    bounded = min(RATES[1], max(RATES[0], rate))
    return float(f"{bounded:.1e}"), f"{why} (LoRA Without Regret, 2025)"


_RULES: dict[str, Callable[[Recipe, Facts], tuple[Any, str]]] = {
    "rank": _rank,
    "alpha": _alpha,
    "batch_size": _batch_size,
    "accumulation": _accumulation,
    "epochs": _epochs,
    "learning_rate": _learning_rate,
}  # in this order: later rules look at what earlier ones chose
