"""A run that ran out of memory in; the same step in batches of half the rows, once, out.

What a step learns stays the same: the rows of a step are `batch_size` times `accumulation`, in any split.
"""

from __future__ import annotations

import json
from pathlib import Path

from builder.recipes import Recipe
from lorekeeper.artifacts import write_whole

HALVED = "halved.json"  # in the run's work folder: the batch that it goes on with


def as_it_fits(recipe: Recipe, work: Path) -> Recipe:
    """The recipe, with the smaller batch that an earlier attempt of this run has fallen back to."""
    if not is_halved(work):
        return recipe
    kept = json.loads((work / HALVED).read_text(encoding="utf-8"))
    return recipe.model_copy(update=kept)


def halve(recipe: Recipe, work: Path) -> bool:
    """From now on compute half as many rows at once; False where that is impossible or was done already."""
    rows = recipe.batch_size * recipe.accumulation
    smaller = [size for size in range(1, recipe.batch_size // 2 + 1) if rows % size == 0]
    if not smaller or is_halved(work):
        return False
    kept = {"batch_size": smaller[-1], "accumulation": rows // smaller[-1]}
    write_whole(work / HALVED, json.dumps(kept))
    return True


def is_halved(work: Path) -> bool:
    """Whether this run has fallen back to smaller batches."""
    return (work / HALVED).is_file()
