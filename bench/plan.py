"""The bundled workspace in; how long a run takes, and how much memory, beside what its plan said, out.

    python -m bench.plan [--full] [--recipe lora] [--option effort=high]

Every answer that mining finds is approved, and a run is trained, compared and judged in its child process,
as `lore train` does it. Planned and real time begin when the plan is stored. Quick: few passes and few
held-out questions; `--full`: the dial at `medium` and the default evaluation. The last line is one JSON
object; a ratio above 1 means that the run took longer, or more, than was planned.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bot.demo.bundled import write_export
from builder import live
from builder.cli import parse
from builder.imports.slack import import_export
from builder.retrain import request
from lorekeeper import settings as config
from lorekeeper.domain import Goal, PairState, Plan, Run, RunState
from lorekeeper.store import open_database, pairs

BY = "bench"
QUICK = {
    "evaluation_questions": 6, "generated_answers": 1, "probe_rows": 2, "bias_pairs": 3,
    "bias_answers": 1, "recited_rows": 1, "learned_rows": 4, "sourced_answers": 0,
}  # fmt: skip
QUICK_OPTIONS = {"effort": "low", "epochs": 1}
QUICK_WORDS = 32  # tokens of a generated answer


def main(
    full: Annotated[bool, typer.Option(help="All passes, and the default evaluation.")] = False,
    recipe: Annotated[str, typer.Option(help="A recipe's name.")] = "lora",
    option: Annotated[list[str] | None, typer.Option(help="A field of it, a=b.")] = None,
) -> None:
    """Measure how far a plan is from what the run takes."""
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory() as scratch:
        settings = _settings(Path(scratch) / "data", full=full)
        engine = open_database(settings.database_url)
        import_export(engine, write_export(Path(scratch) / "export"), by=BY)
        with engine.begin() as db:
            for pair in pairs.in_state(db, PairState.CANDIDATE):
                pairs.move(db, pair, PairState.APPROVED, by=BY)
        options = ({} if full else QUICK_OPTIONS) | parse(option or [])
        asked = request(engine, settings, by=BY, recipe=recipe, options=options, goal=Goal.ADAPTER)
        watch = Watch()
        with live.View(console) as view:
            run = live.see_through(
                engine, settings, asked.id, show=lambda run: watch.see(run, view), by=BY
            )
        if run.state is not RunState.DONE or run.plan is None:
            raise SystemExit(f"The run ended as {run.state}: {run.error}")
        work = settings.store.data / "runs" / str(run.id)
        fitted = json.loads((work / "trained.json").read_text(encoding="utf-8"))
        engine.dispose()
    figures = _figures(run.plan, time.time() - watch.planned_at, fitted)
    console.print(live.plan_table(run.plan))
    table = Table("Figure", "Value")
    for name, value in figures.items():
        table.add_row(name, str(value))
    console.print(table)
    print(json.dumps(figures))


class Watch:
    """Notes when the plan was there."""

    def __init__(self) -> None:
        self.planned_at = 0.0

    def see(self, run: Run, view: live.View) -> None:
        if run.plan is not None and not self.planned_at:
            self.planned_at = time.time()
        view.show(run)


def _settings(data: Path, *, full: bool) -> config.Settings:
    data.mkdir()
    chosen = config.load()
    changed = {"store": config.Store(data=data), "models": config.Models()}
    if not full:
        changed["train"] = chosen.train.model_copy(update=QUICK)
        changed["serving"] = chosen.serving.model_copy(update={"max_tokens": QUICK_WORDS})
    return chosen.model_copy(update=changed)


def _figures(plan: Plan, took: float, fitted: dict[str, float]) -> dict[str, float]:
    learning = ("training", "validation", "checkpoints")
    planned = sum(plan.seconds[name] for name in learning)
    return {
        "rows": plan.rows,
        "steps": plan.steps,
        "planned_s": round(plan.duration, 1),
        "took_s": round(took, 1),
        "ratio": round(took / plan.duration, 3),
        "planned_training_s": round(planned, 1),
        "training_took_s": round(fitted["seconds"], 1),
        "training_ratio": round(fitted["seconds"] / planned, 3),
        "planned_memory_mib": round(plan.peak / 2**20),
        "memory_took_mib": round(fitted["memory"] / 2**20),
        "memory_ratio": round(fitted["memory"] / plan.peak, 3),
    }


if __name__ == "__main__":
    typer.run(main)
