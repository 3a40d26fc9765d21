"""`lore index evaluate`: how well the team's own questions find their answers, and whether a change helps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from lorekeeper import settings as config
from lorekeeper.domain import PairState
from lorekeeper.errors import BadInput, NotFound
from lorekeeper.settings import Settings
from lorekeeper.store import open_database, pairs, reading
from retrieval import rerank
from retrieval.embed import Embedder, load
from retrieval.evaluation import beir, heldout
from retrieval.evaluation.evaluate import Evaluation, Opening, compare, evaluate, of_collection
from retrieval.evaluation.heldout import Trial
from retrieval.evaluation.measure import CUT
from retrieval.evaluation.remembered import remembering
from retrieval.sources import collect

FOLDER = "evaluation"  # of vectors, in the data folder
FEWEST = 20  # questions; with fewer, an interval says little
CHANGEABLE = {"retrieval": None, "models": ("embedder",)}  # None: all of the section

Tell = Callable[[str, int, int], None]  # what is counted, how many so far, of how many


def evaluate_command(
    collections: Annotated[
        list[Path] | None,
        typer.Option("--beir", help="A collection in BEIR's layout, instead. Can be repeated."),
    ] = None,
    split: Annotated[str, typer.Option(help="Which of qrels/*.tsv to read.")] = beir.SPLIT,
    changes: Annotated[
        list[str] | None,
        typer.Option("--compare", help="A setting to try, such as retrieval.chunk_tokens=120."),
    ] = None,
    questions: Annotated[int, typer.Option(min=1, help="Ask about so many pairs at most.")] = 500,
    k: Annotated[int, typer.Option(min=1, max=50, help="The cut of recall.")] = CUT,
    png: Annotated[Path | None, typer.Option(help="Also write a picture here.")] = None,
) -> None:
    """Measure search on questions made from approved pairs, and whether a change of settings helps."""
    from retrieval.evaluation.report import arms_table, changes_table, picture

    settings, console = config.load(), Console(highlight=False)
    tried = {change: changed(settings, change) for change in changes or ()}
    read = [
        beir.read(folder, split) for folder in collections or ()
    ]  # bad layouts are refused first
    wanted: list[Trial | None] = [of_collection(one) for one in read]
    found = list[Evaluation]()
    for trial in wanted or [None]:
        run = partial(_measured, trial, questions=questions, k=k)
        now = run(settings, label="now")
        found.append(now)
        console.print(arms_table(now))
        told = [compare(name, run(other, label=name), now) for name, other in tried.items()]
        if told:
            console.print(changes_table(told))
        if len(now.questions) < FEWEST:
            console.print(f"Only {len(now.questions)} questions: these figures say little.")
    if png:
        picture(found, png)
        console.print(f"The picture is in {png}.")


def changed(settings: Settings, change: str) -> Settings:
    """The settings with `section.name=value` instead.

    Raises:
        BadInput: it is not written so, the value does not fit, or search does not depend on it.
    """
    full, is_given, value = change.partition("=")
    section, _, name = full.strip().partition(".")
    if not is_given or section not in CHANGEABLE or not _changes_search(section, name):
        raise BadInput(
            f"{change!r} is no setting of search with a value.",
            fix="Write it as retrieval.chunk_tokens=120 or models.embedder=FOLDER; `lore settings` lists all.",
        )
    now = getattr(settings, section)
    try:
        other = type(now).model_validate({**now.model_dump(), name: _parsed(value, now, name)})
    except ValidationError as error:
        raise BadInput(
            f"{full} cannot be {value!r}: {error.errors()[0]['msg']}.", fix="Try another value."
        ) from None
    return settings.model_copy(update={section: other})


def _changes_search(section: str, name: str) -> bool:
    allowed = CHANGEABLE[section]
    return name in config.sections()[section].model_fields and (allowed is None or name in allowed)


def _parsed(value: str, section: config.Section, name: str) -> object:
    """Lists are written as JSON, as in the environment."""
    if not isinstance(getattr(section, name), tuple):
        return value.strip()
    try:
        return json.loads(value)
    except ValueError:
        raise BadInput(f"{value!r} is no list in JSON.", fix='Write it as ["A", "B"].') from None


def _measured(
    trial: Trial | None, settings: Settings, *, label: str, questions: int, k: int
) -> Evaluation:
    """With these settings, the collection, or the team's own questions."""
    embedder = load(settings.models.embedder_name, settings.store.data, alone=True)
    reranker = rerank.of(settings)
    where = settings.store.data / FOLDER / (trial.name if trial else "own")
    with _progress(label) as tell:
        read = Opening(embedder) if trial else embedder
        with remembering(read, where, partial(tell, "passages embedded")) as quick:
            trials = [trial] if trial else _own(settings, quick, questions)
            name = trial.name if trial else "your own questions"
            report = partial(tell, "questions asked")
            return evaluate(name, trials, quick, reranker=reranker, k=k, report=report)


def _own(settings: Settings, embedder: Embedder, most: int) -> Sequence[Trial]:
    engine = open_database(settings.database_url)
    with reading(engine) as db:
        approved = pairs.in_state(db, PairState.APPROVED)
        if not approved:
            raise NotFound(
                "There are no approved pairs to make questions from.",
                fix="Approve some, or measure on a collection: `lore index evaluate --beir FOLDER`.",
            )
        passages = list(collect(db, settings, embedder))
    engine.dispose()
    limit = min(settings.retrieval.chunk_tokens, embedder.window)
    count = embedder.count_tokens
    return heldout.trials(approved, passages, limit=limit, count=count, most=most)


@contextmanager
def _progress(label: str) -> Iterator[Tell]:
    """A bar for each thing that is counted, on the terminal's other channel."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks = dict[str, TaskID]()

        def tell(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(f"{label}: {what}")
            progress.update(tasks[what], completed=done, total=of)

        yield tell
