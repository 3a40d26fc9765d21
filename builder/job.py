"""What one training run is given, whatever its way of tuning: rows, base, recipe, and where to work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from builder import dataset, recipes, trackers
from builder.dataset import Row
from builder.library import Library, open_library
from builder.recipes import Recipe
from lorekeeper import models
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Progress, Run, Stage
from lorekeeper.errors import Cancelled
from lorekeeper.settings import Settings
from lorekeeper.store import datasets, reading, runs

TRAINED = "trained.json"  # written last into the work folder: what training did, once it has ended

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


def open_job(engine: Engine, settings: Settings, run_id: int, worker: str) -> Job:
    """Read everything that the run needs; `worker` is who holds it.

    Raises:
        LeaseLost: the run belongs to another worker by now.
        LorekeeperError: the recipe, the model or the dataset cannot be used; says how to go on.
    """

    def report(progress: Progress) -> Run:
        with engine.begin() as db:
            return runs.report(db, run_id, worker, progress)

    with reading(engine) as db:
        run = runs.get(db, run_id)
        frozen = datasets.get(db, run.dataset_id)
    recipe = recipes.load(run.recipe, run.options, data=settings.store.data)
    recipes.refuse_unservable(recipe, settings.serving)
    trackers.refuse_missing(settings.train.trackers)
    report(Progress(stage=Stage.PREPARING, note="reading the dataset and the index"))
    folder = ArtifactStore(settings.store.data).open(frozen.folder)
    train, heldout = dataset.read_both(folder)
    library = open_library(engine, settings, train, heldout)
    work = settings.store.data / "runs" / str(run_id)
    work.mkdir(parents=True, exist_ok=True)
    _use_threads(settings.train.threads)
    return Job(
        engine=engine,
        settings=settings,
        run=run,
        recipe=recipe,
        base=models.get(run.base_model, settings.store.data),
        work=work,
        train=train,
        heldout=heldout,
        library=library,
        report=report,
    )


def heed(run: Run) -> None:
    """Raise Cancelled where somebody asked for the run to stop."""
    if run.cancel_requested_by:
        raise Cancelled(
            f"Run {run.id} was cancelled by {run.cancel_requested_by}.",
            fix="What was trained so far is kept; retrain starts anew.",
        )


def evaluating(report: Report, done: int, of: int, what: str) -> None:
    """Tell how far the comparison is; raises Cancelled where somebody asked for it to stop."""
    heed(report(Progress(stage=Stage.EVALUATING, step=done, steps=of, note=what)))


def _use_threads(count: int) -> None:
    import torch

    if count:
        torch.set_num_threads(count)
