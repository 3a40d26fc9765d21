"""What one training run is given, whatever its way of tuning: rows, base, recipe, and where to work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from builder.dataset import Row
from builder.library import Library
from builder.recipes import Recipe
from lorekeeper.domain import Progress, Run
from lorekeeper.settings import Settings

Report = Callable[[Progress], Run]  # hands the progress on; its result says whether to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything that a way of tuning needs."""

    engine: Engine
    settings: Settings
    run: Run
    recipe: Recipe
    base: Path  # the base model's folder
    work: Path  # the run's own folder: checkpoints, metrics.jsonl, and what training ends with
    train: Sequence[Row]
    heldout: Sequence[Row]  # for judging; no way of tuning learns from these
    library: Library
    report: Report
