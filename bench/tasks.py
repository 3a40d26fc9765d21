"""Pages of one kind in; what mixing tasks costs each of them, and what stages forget, out.

    python -m bench.tasks FOLDER [--full] [--way multitask|sequential] [--keep FOLDER]

FOLDER holds Markdown pages with the same headings, in folders by topic, such as runbooks. They become the
team's pairs ("What does PAGE say about HEADING?") and two tasks from files: under which heading a
paragraph stands, and in which folder. All rows of a page are one conversation, on one side.

`multitask` trains one adapter on the tasks together and one on each alone. `sequential` trains general
questions, then a task, then the team's pairs. Both are trained and scored as in a run; what a run has to
show of the assistant itself is left out. The last line is one JSON object. With `--keep`, a bench that was
killed goes on where it was.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from builder.retrain import request
from builder.tasks.add import add
from lorekeeper import settings as config
from lorekeeper.artifacts import write_whole
from lorekeeper.domain import PUBLIC, Asked, Evaluation, Origin, Pair, PairState
from lorekeeper.settings import Settings
from lorekeeper.store import open_database, pairs, reading, runs

BY = "bench"
QUICK = 36  # pages
SHARED = 0.5  # of the pages must have a heading for it to be a label
WORDS = (8, 60)  # of a paragraph: fewer say nothing, more are cut
LEAST = 3  # pages of a folder
_HEADING = re.compile(r"^## +(.+?)\s*$", re.MULTILINE)


class Way(StrEnum):
    MULTITASK = "multitask"
    SEQUENTIAL = "sequential"


WANTED: dict[Way, dict[str, object]] = {
    Way.MULTITASK: {"tasks": "heading,folder,answer", "compare_single": True},
    Way.SEQUENTIAL: {"stages": "general,heading,answer"},
}
ALWAYS: dict[str, object] = {
    "quantization": "none", "with_passages": 0, "checkpoint_steps": 10, "validation": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One paragraph of a page, under its heading."""

    page: str
    folder: str
    heading: str
    text: str


def main(
    folder: Annotated[Path, typer.Argument(help="Markdown pages in folders.", exists=True)],
    full: Annotated[bool, typer.Option(help=f"All pages instead of {QUICK}.")] = False,
    way: Annotated[Way, typer.Option(help="How the tasks are learned.")] = Way.MULTITASK,
    keep: Annotated[Path | None, typer.Option(help="Work here, and go on there.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="A field of the recipe, a=b.")] = None,
) -> None:
    """Measure one adapter for several tasks beside one for each, or what stages forget."""
    from builder.cli import parse

    with tempfile.TemporaryDirectory() as scratch:
        settings = _settings(keep or Path(scratch))
        engine = open_database(settings.database_url)
        with reading(engine) as db:
            begun = runs.latest(db, 1)
        if not begun:
            _teach(engine, settings, list(_sections(folder, full=full)))
            wanted = ALWAYS | WANTED[way] | parse(option or [])
            request(engine, settings, by=BY, recipe=way.value, options=wanted)
        evaluation = _learned(engine, settings)
    figures = _of_tasks(evaluation) | _of_stages(evaluation)
    _show(evaluation)
    print(json.dumps(figures))


def _settings(data: Path) -> Settings:
    data.mkdir(parents=True, exist_ok=True)
    chosen = config.load()
    rules = {"generated_answers": 0, "evaluation_questions": 8, "heldout": 0.3}
    return chosen.model_copy(
        update={
            "store": config.Store(data=data.resolve()),
            "train": chosen.train.model_copy(update=rules),
        }
    )


def _sections(folder: Path, *, full: bool) -> Iterator[Section]:
    """Paragraphs under the headings that most pages share, in folders with several pages."""
    pages = sorted(path for path in folder.rglob("*.md") if _HEADING.search(path.read_text()))
    often = Counter(path.parent.name for path in pages)
    pages = [path for path in pages if often[path.parent.name] >= LEAST]
    # Every nth, so that few pages are of all folders, too.
    pages = pages if full else pages[:: max(1, len(pages) // QUICK)][:QUICK]
    found = [(path, _HEADING.split(path.read_text())[1:]) for path in pages]
    shared = Counter(heading for _, parts in found for heading in set(parts[::2]))
    for path, parts in found:
        for heading, text in zip(parts[::2], parts[1::2], strict=True):
            words = " ".join(text.split()).split(" ")
            if shared[heading] >= SHARED * len(found) and len(words) >= WORDS[0]:
                yield Section(
                    page=path.stem,
                    folder=path.parent.name,
                    heading=heading.lower(),
                    text=" ".join(words[: WORDS[1]]),
                )


def _teach(engine: Engine, settings: Settings, sections: list[Section]) -> None:
    """What a team would have: approved pairs, and two tasks from files."""
    places = {page: f"C0PAGES/{n}.0" for n, page in enumerate(sorted({s.page for s in sections}))}
    with engine.begin() as db:
        for number, one in enumerate(sections):
            pair = Pair(
                id=0,
                question=f"What does {one.page} say about {one.heading}?",
                answer=one.text,
                state=PairState.CANDIDATE,
                origin=Origin.IMPORT,
                channel="C0PAGES",
                scope=PUBLIC,
                conversation=places[one.page],
                source=one.page,
                answer_ts=f"{number}.5",
                captured_by=BY,
            )
            pairs.move(db, pairs.add(db, pair), PairState.APPROVED, by=BY)
    told = {
        "heading": ("Under which heading does this paragraph stand?", "heading"),
        "folder": ("Which part of the system is this about?", "folder"),
    }
    for name, (instruction, field) in told.items():
        file = settings.store.data / f"{name}.jsonl"
        lines = (
            json.dumps(
                {"input": one.text, "output": getattr(one, field), "group": places[one.page]}
            )
            for one in sections
        )
        file.write_text("\n".join(lines), encoding="utf-8")
        add(settings, file, name=name, metric="macro_f1", instruction=instruction)


def _learned(engine: Engine, settings: Settings) -> Evaluation:
    """Trained in the recipe's way, unless that was done, and scored."""
    from builder import candidate
    from builder.job import open_job
    from builder.plan.make import dialled
    from builder.tasks.judged import evaluated
    from builder.train import TRAINED, WAYS

    with engine.begin() as db:
        runs.reap(db, -1.0)  # nobody else works here
        claimed = runs.claim(db, BY)
    assert claimed is not None
    job = dialled(open_job(engine, settings, claimed.id, BY)).job
    if not (job.work / TRAINED).is_file():
        fitted = WAYS[job.recipe.way](job)
        write_whole(job.work / TRAINED, json.dumps(asdict(fitted)))
    judged = candidate.judged(job.base, job.work, settings)
    empty = Evaluation(
        questions=(), references=(), conversations=(), arms=(), precision=judged.precision
    )
    return evaluated(empty, judged, job)


def _of_tasks(evaluation: Evaluation) -> dict[str, object]:
    names = {
        "base": Asked.BASE,
        "examples": Asked.PROMPTED,
        "mixed": Asked.TUNED,
        "alone": Asked.SINGLE,
    }
    found: dict[str, object] = {}
    for score in evaluation.tasks:
        found[f"{score.task}_rows"] = len(score.references)
        for name, asked in names.items():
            arm = score.arm(asked)
            if arm is not None:
                found[f"{score.task}_{score.metric}_{name}"] = round(arm.value, 3)
    return found


def _of_stages(evaluation: Evaluation) -> dict[str, object]:
    found = evaluation.stages
    if found is None:
        return {}
    return {
        "stages": list(found.names),
        "losses": [[round(one, 3) for one in after] for after in found.losses],
        "backward_transfer": round(found.backward_transfer, 4),
        **{
            f"transfer_{one.stage}": [round(one.mean, 4), round(one.low, 4), round(one.high, 4)]
            for one in found.transfers
        },
    }


def _show(evaluation: Evaluation) -> None:
    console = Console(stderr=True)
    if evaluation.tasks:
        table = Table("Task", "Rows", "Metric", *(asked.value for asked in Asked))
        for score in evaluation.tasks:
            arms = [score.arm(asked) for asked in Asked]
            told = [f"{a.value:.3f} ({a.low:.3f} to {a.high:.3f})" if a else "–" for a in arms]
            table.add_row(score.task, str(len(score.references)), score.metric, *told)
        console.print(table)
    if (found := evaluation.stages) is not None:
        table = Table("Loss on held-out rows", *found.names)
        names = ("before training", *(f"after {name}" for name in found.names))
        for name, losses in zip(names, found.losses, strict=True):
            table.add_row(name, *(f"{loss:.3f}" for loss in losses))
        console.print(table)


if __name__ == "__main__":
    typer.run(main)
