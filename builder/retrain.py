"""A person's wish for a new adapter in, a queued run out. Light: the bot calls this and has no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, select

from builder import preference, recipes, trackers
from builder.freeze import freeze, trainable
from builder.recipes import Recipe
from builder.tasks.draw import team
from builder.tasks.ready import names, refuse_untrainable, versions
from lorekeeper import models
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import DatasetVersion, Goal, PairState, Run, RunState
from lorekeeper.errors import AlreadyRunning, BadInput
from lorekeeper.settings import Settings
from lorekeeper.store import adapters, pairs, reading, runs
from lorekeeper.tables import datasets as dataset_table


def request(
    engine: Engine,
    settings: Settings,
    *,
    by: str,
    recipe: str | None = None,
    options: Mapping[str, Any] | None = None,
    channel: str | None = None,
    goal: Goal = Goal.ADAPTER,
) -> Run:
    """Freeze the approved pairs and queue a run on them.

    `recipe` is a recipe's name (default: `LORE_TRAIN__RECIPE`), `options` change its fields,
    `channel` is where the run's one message will be, and `goal` is what the run is for.

    Raises:
        AlreadyRunning: a run waits or works already; names it.
        NotFound: there is no recipe or task of that name.
        BadInput: too few pairs, or too few rows of a task; nothing new since the last run; or a recipe
            or option that cannot be used or whose adapter the engine could not load.
    """
    name, wanted = recipe or settings.train.recipe, dict(options or {})
    base = models.base_spec(settings)
    chosen = recipes.load(name, wanted, data=settings.store.data)
    recipes.refuse_unservable(chosen, settings.serving)
    trackers.refuse_missing(settings.train.trackers)
    _refuse_other_ways(chosen, goal)
    if rows := versions(names(chosen), settings.store.data):
        wanted["versions"] = rows
    with reading(engine) as db:
        _refuse_second(db)
        _refuse_few(db, settings)
    version = freeze(engine, settings, by=by)
    refuse_untrainable(
        chosen.model_copy(update={"versions": rows}), team(engine, settings, version)
    )
    preference.refuse_unready(engine, settings, chosen, version, base)
    with engine.begin() as db:
        _one_at_a_time(db)
        _refuse_second(db)
        # Thumbs are in no dataset version, so nothing says that there are none since the last run.
        if goal is Goal.ADAPTER and chosen.way != "feedback":
            _refuse_again(db, version, name, wanted, base)
        return runs.queue(
            db,
            dataset_id=version.id,
            recipe=name,
            options=wanted,
            base_model=base,
            requested_by=by,
            channel=channel,
            goal=goal,
        )


def again(engine: Engine, settings: Settings, run_id: int, *, by: str) -> Run:
    """Queue a run as an earlier one was: the same pairs, base model and values, the dial's among them.

    Raises:
        AlreadyRunning: a run waits or works already; names it.
        NotFound: there is no such run, or its adapter's folder is not here.
    """
    with engine.begin() as db:
        _one_at_a_time(db)
        _refuse_second(db)
        before = runs.get(db, run_id)
        return runs.queue(
            db,
            dataset_id=before.dataset_id,
            recipe=before.recipe,
            options=_values(db, settings, before),
            base_model=before.base_model,
            requested_by=by,
            channel=before.channel,
        )


def _values(db: Connection, settings: Settings, before: Run) -> Mapping[str, Any]:
    """Every value of the recipe as it was trained by: files are edited, and the dial learns."""
    made = adapters.of_run(db, before.id)
    if made is None:
        return before.options
    recorded = ArtifactStore(settings.store.data).manifest(made.folder).get("recipe") or {}
    return {name: value for name, value in recorded.items() if name != "about"}


def _refuse_other_ways(recipe: Recipe, goal: Goal) -> None:
    """A curve and a search train many times on shares of the team's own pairs; nothing else is planned for."""
    if goal in {Goal.CURVE, Goal.SEARCH} and recipe.way != "instruction":
        raise BadInput(
            f"A {goal} works on instruction tuning, and this recipe's way is {recipe.way}.",
            fix="Name another recipe, such as qlora or lora.",
        )


def _refuse_few(db: Connection, settings: Settings) -> None:
    approved = pairs.in_state(db, PairState.APPROVED)
    usable, least = len(trainable(approved, settings.bot.train_on)), settings.train.min_pairs
    if usable >= least:
        return
    private = len(approved) - usable
    raise BadInput(
        f"There {_are(usable, 'approved pair')} to train on"
        + (f" ({private} more in private channels are left out)" if private else "")
        + f"; a run needs at least {least}.",
        fix=f"Approve {least - usable} more, or lower LORE_TRAIN__MIN_PAIRS.",
    )


def _one_at_a_time(db: Connection) -> None:
    """Make two requests wait for each other on PostgreSQL; on SQLite a writer is alone anyway."""
    db.execute(select(dataset_table.c.id).with_for_update())


def _refuse_second(db: Connection) -> None:
    waiting = runs.unfinished(db)
    if waiting:
        run = waiting[0]
        raise AlreadyRunning(
            f"Run {run.id}, asked for by {run.requested_by}, is {run.state} already.",
            fix=f"Wait for it, or cancel it first: `lore cancel {run.id}`.",
        )


def _refuse_again(
    db: Connection, version: DatasetVersion, recipe: str, options: Mapping[str, Any], base: str
) -> None:
    """The same data with the same recipe gives the same adapter; a failed run may be tried again."""
    for run in runs.of_dataset(db, version.id):
        same = (run.recipe, dict(run.options), run.base_model) == (recipe, options, base)
        if run.state is RunState.DONE and run.goal is Goal.ADAPTER and same:
            raise BadInput(
                f"Nothing is new since run {run.id}: it used the same {version.train + version.heldout} pairs ({version.name}) and the same recipe.",
                fix="Approve more answers, or choose another recipe or option.",
            )


def _are(count: int, noun: str) -> str:
    return f"is 1 {noun}" if count == 1 else f"are {count or 'no'} {noun}s"
