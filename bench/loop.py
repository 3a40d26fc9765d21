"""A year of a real channel in; whether tuning on its answers helps beside retrieval, out.

    python -m bench.loop EXPORT.zip GOLD.csv [--full] [--keep FOLDER]

The export is imported and mined as `lore import` does. Of what was mined, GOLD (a CSV
`ts,conversation_id`) keeps the pairs whose question and answer are of one conversation: it stands for the
curators. The newest conversations are held out, and nobody's messages of that time or later are stored,
so retrieval has what could be known then. A run trains, compares the arms at the precision that is
served, and is judged, all by the worker that a team uses. The last line is one JSON object.

With `--keep`, a bench that was killed goes on where it was.
"""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, delete

from builder import dataset
from builder.imports.slack import import_export
from builder.retrain import request
from builder.worker import Worker
from lorekeeper import settings as config
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Adapter, Arm, Pair, PairState, RunState, said_at
from lorekeeper.paired import Difference, interval, paired
from lorekeeper.settings import Settings
from lorekeeper.store import adapters, datasets, open_database, pairs, reading, runs
from lorekeeper.tables import messages as message_table

CURATOR = "gold"
HELD_OUT = 165  # pairs; at least 150 are asked for, and pairs that belong together stay together
ALL = 1000  # pairs, about, that are right
QUICK = 330  # pairs in all, the newest; as many judge


def main(
    export: Annotated[Path, typer.Argument(help="A Slack export.", exists=True)],
    gold: Annotated[Path, typer.Argument(help="CSV: ts,conversation_id", exists=True)],
    full: Annotated[bool, typer.Option(help="Train on all pairs, not on the newest.")] = False,
    keep: Annotated[Path | None, typer.Option(help="Work here, and go on there.")] = None,
    recipe: Annotated[str, typer.Option(help="How to train.")] = "lora",
    option: Annotated[list[str] | None, typer.Option(help="A field of the recipe, a=b.")] = None,
) -> None:
    """Measure what the whole loop brings on held-out questions."""
    with tempfile.TemporaryDirectory() as scratch:
        settings = _settings(keep or Path(scratch), full=full)
        engine = open_database(settings.database_url)
        adapter = _adapter(engine, settings, export, gold, recipe, option or [], full=full)
        figures = _figures(engine, adapter)
    _show(adapter, figures)
    print(json.dumps(figures))


def _settings(data: Path, *, full: bool) -> Settings:
    data.mkdir(parents=True, exist_ok=True)
    chosen = config.load()
    rules = {"split": "time", "generated_answers": 0, "evaluation_questions": 1000}
    share = {"heldout": HELD_OUT / (ALL if full else QUICK)}
    return chosen.model_copy(
        update={
            "store": config.Store(data=data.resolve()),
            "train": chosen.train.model_copy(update=rules | share),
        }
    )


def _adapter(
    engine: Engine,
    settings: Settings,
    export: Path,
    gold: Path,
    recipe: str,
    options: list[str],
    *,
    full: bool,
) -> Adapter:
    """Of the run that is there already, where the bench goes on; else of one that begins now."""
    from builder.cli import parse

    with reading(engine) as db:
        begun = runs.latest(db, 1)
    if not begun:
        import_export(engine, export, by=CURATOR)
        _curate(engine, gold, full=full)
        run = request(engine, settings, by=CURATOR, recipe=recipe, options=parse(options))
        _forget_what_came_later(engine, settings, run.dataset_id)
    worker = Worker(engine, settings)
    while worker.work_once():
        pass
    with reading(engine) as db:
        run = runs.latest(db, 1)[0]
        if run.state is not RunState.DONE:
            raise SystemExit(f"The run ended as {run.state}: {run.error}")
        assert run.adapter_id is not None
        return adapters.get(db, run.adapter_id)


def _curate(engine: Engine, gold: Path, *, full: bool) -> None:
    """Approve the pairs that are right, the newest ones where not all are taken."""
    with gold.open(encoding="utf-8", newline="") as file:
        known = {row["ts"]: row["conversation_id"] for row in csv.DictReader(file)}
    with engine.begin() as db:
        found = sorted(pairs.in_state(db, PairState.CANDIDATE), key=said_at)
        right = [pair for pair in found if _is_right(pair, known)]
        for pair in right if full else right[-QUICK:]:
            pairs.move(db, pair, PairState.APPROVED, by=CURATOR)


def _is_right(pair: Pair, known: dict[str, str]) -> bool:
    places = {known.get(ts) for ts in (*pair.question_parts, *pair.answer_parts)}
    return len(places) == 1 and None not in places


def _forget_what_came_later(engine: Engine, settings: Settings, dataset_id: int) -> None:
    """What was said after the last answer to train on was not there to be found."""
    with engine.begin() as db:
        folder = ArtifactStore(settings.store.data).open(datasets.get(db, dataset_id).folder)
        last = max(row.answer_ts for row in dataset.read(folder, datasets.TRAIN))
        db.execute(delete(message_table).where(message_table.c.ts > last))


def _figures(engine: Engine, adapter: Adapter) -> dict[str, object]:
    evaluation = adapter.evaluation
    clusters = evaluation.conversations
    loss = {arm: evaluation.arm(arm).nll for arm in Arm}
    beside_retrieval = paired(loss[Arm.TUNED_RETRIEVAL], loss[Arm.RETRIEVAL], clusters)
    forgotten = paired(evaluation.probe_nll_after, evaluation.probe_nll_before)
    with reading(engine) as db:
        frozen = datasets.get(db, adapter.dataset_id)
    return {
        "train": frozen.train,
        "heldout": len(evaluation.questions),
        "precision": evaluation.precision,
        "nll": {arm.value: round(evaluation.arm(arm).mean_nll, 3) for arm in Arm},
        "tuned_over_retrieval": _told(beside_retrieval),
        "p": beside_retrieval.p_lower,
        "forgetting": _told(forgotten),
        "verdict": adapter.verdict.outcome.value,
    }


def _told(found: Difference) -> list[float]:
    """The mean difference in nats per token, and its 95 % interval."""
    return [round(value, 3) for value in (found.mean, found.low, found.high)]


def _show(adapter: Adapter, figures: dict[str, object]) -> None:
    table = Table("Arm", "Loss", "95 %", title="Held-out questions, the newest")
    for arm in Arm:
        low, high = interval(adapter.evaluation.arm(arm).nll, adapter.evaluation.conversations)
        mean = adapter.evaluation.arm(arm).mean_nll
        table.add_row(arm.value, f"{mean:.3f}", f"{low:.3f} to {high:.3f}")
    console = Console(stderr=True, highlight=False)
    console.print(table)
    for reason in adapter.verdict.reasons:
        console.print(f"- {reason}")
    console.print(f"Verdict: {figures['verdict']}")


if __name__ == "__main__":
    typer.run(main)
