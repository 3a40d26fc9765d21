"""A run that ran out of memory in; the same step in batches of half the rows, once, out.

What a step learns stays the same: the rows of a step are `batch_size` times `accumulation`, in any split.
"""

from __future__ import annotations

from pathlib import Path

from builder.recipes import Recipe
from lorekeeper.artifacts import write_whole

HALVED = "halved"  # in the run's work folder: it goes on in smaller batches


def halve(work: Path) -> bool:
    """From now on this run computes half as many rows at once; False where it does already."""
    if is_halved(work):
        return False
    write_whole(work / HALVED, "")
    return True


def is_halved(work: Path) -> bool:
    """Whether this run has fallen back to smaller batches."""
    return (work / HALVED).is_file()


def as_it_fits(recipe: Recipe, work: Path) -> Recipe:
    """The recipe as this run computes it."""
    return smaller(recipe) if is_halved(work) else recipe


def smaller(recipe: Recipe) -> Recipe:
    """With at most half as many rows at once, and as many a step; the same where that is one row."""
    rows = recipe.batch_size * recipe.accumulation
    most = max(1, recipe.batch_size // 2)
    size = max(size for size in range(1, most + 1) if rows % size == 0)
    return recipe.model_copy(update={"batch_size": size, "accumulation": rows // size})
