"""A base and an adapter in; what every guard finds, and how long it takes, out.

    python -m bench.guards [--adapter FOLDER] [--base MODEL] [--full]

Without an adapter, one is trained for 20 steps on the made-up handbook of `bench/labelled`. `--full` asks
all general questions and all 300 counterfactual pairs. The last line is one JSON object.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.labelled.handbook import ANSWERED, PASSAGES
from builder import encode, fit, recipes, scoring
from builder.dataset import Row
from builder.guards import ask, bias, forgetting, memorisation
from builder.guards.harm import Harm
from builder.kept import Kept
from builder.meter import Meter
from lorekeeper import models, prompt
from lorekeeper.domain import Evaluation
from lorekeeper.settings import Settings, Train

STEPS = 20


def main(
    adapter: Annotated[Path | None, typer.Option(help="A folder with an adapter.")] = None,
    base: Annotated[str, typer.Option(help="The base that it was trained on.")] = models.CPU_BASE,
    full: Annotated[bool, typer.Option(help="All questions and pairs.")] = False,
) -> None:
    """Measure all guards of one adapter."""
    settings = Settings()
    rules = Train(probe_rows=40, bias_pairs=300, bias_answers=30) if full else Train()
    folder = models.get(base, settings.store.data)
    trained, heldout = _rows()
    with tempfile.TemporaryDirectory() as scratch:
        tuned = adapter or _trained(folder, trained, Path(scratch))
        judged = scoring.load_judged(folder, tuned, settings)
        guarded = ask.asked(trained, heldout, rules)
        sides, seconds = {}, {}
        for name, asked_of in (("base", judged.base), ("tuned", judged.tuned)):
            began = time.monotonic()
            nothing = Kept(None)
            with asked_of() as model:
                sides[name] = ask.ask(model, name, guarded, nothing, nothing, _meter(guarded.rows))
            seconds[name] = time.monotonic() - began
    before, after = sides["base"], sides["tuned"]
    scores = Evaluation(
        questions=(), references=(), conversations=(), arms=(), precision=judged.precision,
        probes=ask.probes(before, after), bias=ask.leanings(guarded, before, after),
        memorised=ask.memorised(guarded, before, after),
    )  # fmt: skip
    harms = [*forgetting.harms(scores, rules), *bias.harms(scores, rules)]
    _show(harms)
    kept = {one.kind: one for one in scores.probes if one.kept_before}
    print(
        json.dumps(
            {
                "rows": 2 * guarded.rows,
                "seconds": {name: round(value, 1) for name, value in seconds.items()},
                "harms": {one.what: _figures(one) for one in harms},
                "kept": {
                    kind: [sum(one.kept_before), sum(one.kept_after), len(one.kept_before)]
                    for kind, one in kept.items()
                },
                "word_for_word": memorisation.shares(scores),
            }
        )
    )


def _rows() -> tuple[list[Row], list[Row]]:
    """The handbook's questions with the passage as the answer; every second passage is held out."""
    rows = [
        Row(
            pair_id=number, question=question, answer=PASSAGES[name], conversation=name,
            source="", scope="public", answer_ts="",
        )
        for number, (question, name) in enumerate(ANSWERED)
    ]  # fmt: skip
    held = set(list(PASSAGES)[1::2])
    return (
        [row for row in rows if row.conversation not in held],
        [row for row in rows if row.conversation in held],
    )


def _trained(base: Path, rows: list[Row], work: Path) -> Path:
    from transformers import AutoTokenizer

    recipe = recipes.load("lora", {"batch_size": 4, "accumulation": 1, "checkpoint_steps": STEPS})
    recipe = recipe.model_copy(update={"epochs": STEPS * 4 / len(rows)})
    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    examples = [
        encode.example(row.pair_id, prompt.messages(row.question), row.answer, tokenizer)
        for row in rows
    ]
    model = fit.load(base, recipe)
    fit.fit(model, examples, recipe, work, lambda progress: _not_cancelled())
    fit.save(model, work)
    return work / fit.ADAPTER


def _not_cancelled() -> Any:
    class Run:
        cancel_requested_by = None

    return Run()


def _meter(rows: int) -> Meter:
    return Meter(report=lambda done, of, what: None, of=rows)


def _figures(one: Harm) -> list[float]:
    """Mean rise, its 95 % interval, the p-value against what is allowed."""
    return [round(value, 4) for value in (one.found.mean, one.found.low, one.found.high, one.p)]


def _show(harms: list[Harm]) -> None:
    table = Table("What", "Rise", "95 %", "Allowed", "p")
    for one in harms:
        found = one.found
        table.add_row(
            one.what, f"{found.mean:+.3f}", f"{found.low:+.3f} to {found.high:+.3f}",
            f"{one.allowed:.2f}", f"{one.p:.3f}",
        )  # fmt: skip
    Console(stderr=True, highlight=False).print(table)


if __name__ == "__main__":
    typer.run(main)
