"""Question–answer pairs and a model in; what learning them costs here and with TRL's SFTTrainer, out.

The same rows, model, adapter, learning rate and passes, each trainer in a process of its own, so that its
peak memory is its own. SFTTrainer runs at its defaults, and with each of its ways of packing; the fastest
of those is its best. What is learned is compared as well: the loss on the rows afterwards, measured alike
for all. The last line is one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.rig.trainers import PACKED, TRAINERS
from builder import encode
from lorekeeper import models, prompt

ROWS, PASSES, ROUNDS = 32, 1, 1
ROWS_FULL, PASSES_FULL, ROUNDS_FULL = 96, 2, 3
LONGEST = 160  # tokens of a row: short pairs


def main(
    full: Annotated[
        bool, typer.Option(help=f"{ROWS_FULL} rows, {PASSES_FULL} passes, {ROUNDS_FULL} rounds.")
    ] = False,
    pairs: Annotated[
        Path | None, typer.Option(help="JSON Lines of question and answer; else the demo's pairs.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="A folder, a hub id or package:NAME.")
    ] = models.CPU_BASE,
    data: Annotated[Path | None, typer.Option(help="Where the model is kept.")] = None,
) -> None:
    """Train with every trainer, and compare."""
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory() as scratch:
        base = models.get(model, data or Path(scratch))
        rows = _encoded(base, _pairs(pairs), ROWS_FULL if full else ROWS)
        given = Path(scratch) / "given.json"
        passes = PASSES_FULL if full else PASSES
        given.write_text(json.dumps({"base": str(base), "rows": rows, "passes": passes}))
        console.print(_about(rows, passes))
        taken: dict[str, list[dict[str, Any]]] = {name: [] for name in TRAINERS}
        for number in range(ROUNDS_FULL if full else ROUNDS):
            for name in TRAINERS:  # in turns: a machine that slows down slows all of them
                with console.status(f"round {number + 1}: {name}"):
                    taken[name].append(_run(name, given, Path(scratch)))
    found = {name: _middle(rounds) for name, rounds in taken.items()}
    console.print(_table(found))
    print(json.dumps(_figures(found)))


def _pairs(file: Path | None) -> list[tuple[str, str]]:
    if file is not None:
        lines = (json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line)
        return [(line["question"], line["answer"]) for line in lines]
    told = [
        tomllib.loads(path.read_text(encoding="utf-8")).get("conversation", [])
        for path in sorted(Path(str(files("bot.demo"))).joinpath("workspace").glob("*.toml"))
    ]
    return [(one["ask"], one["answer"]) for part in told for one in part if one.get("answer")]


def _encoded(base: Path, pairs: list[tuple[str, str]], most: int) -> list[dict[str, Any]]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    made = [
        encode.example(number, prompt.messages(question), answer, tokenizer)
        for number, (question, answer) in enumerate(pairs)
    ]
    short = [row for row in made if len(row.input_ids) <= LONGEST][:most]
    return [{"input_ids": row.input_ids, "labels": row.labels} for row in short]


def _run(name: str, given: Path, scratch: Path) -> dict[str, Any]:
    work = Path(tempfile.mkdtemp(dir=scratch))
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "bench.rig.trainers",
        name,
        str(given),
        str(work),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{name} failed:\n{ended.stderr[-3000:]}")
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told


def _middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The round with the middle speed."""
    speed = median(each["answer_tokens_per_second"] for each in rounds)
    return min(rounds, key=lambda each: abs(each["answer_tokens_per_second"] - speed))


def _about(rows: list[dict[str, Any]], passes: int) -> str:
    tokens = sum(len(row["input_ids"]) for row in rows)
    answers = sum(label != encode.IGNORED for row in rows for label in row["labels"])
    return f"{len(rows)} rows, {tokens} tokens, {answers} of them in answers; {passes} passes"


def _table(found: dict[str, dict[str, Any]]) -> Table:
    table = Table(
        "trainer", "answer tokens/s", "peak memory, MiB", "steps", "loss before", "loss after"
    )
    for name, took in found.items():
        table.add_row(
            name,
            f"{took['answer_tokens_per_second']:.1f}",
            f"{took['peak_mib']:.0f}",
            str(took["steps"]),
            f"{took['loss_before']:.4f}",
            f"{took['loss_after']:.4f}",
        )
    return table


def _figures(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    ours, default = found["lorekeeper"], found["sft"]
    best = max(PACKED, key=lambda name: found[name]["answer_tokens_per_second"])

    def times(name: str, of: str) -> float:
        return round(ours[of] / found[name][of], 3)

    return {
        "throughput_to_sft_defaults": times("sft", "answer_tokens_per_second"),
        "throughput_to_sft_best_packing": times(best, "answer_tokens_per_second"),
        "peak_memory_to_sft_defaults": times("sft", "peak_mib"),
        "peak_memory_to_sft_best_packing": times(best, "peak_mib"),
        "loss_difference_to_sft_defaults": round(ours["loss_after"] - default["loss_after"], 4),
        "loss_difference_to_sft_best_packing": round(
            ours["loss_after"] - found[best]["loss_after"], 4
        ),
        "best_packing": best,
        "trainers": found,
    }


if __name__ == "__main__":
    typer.run(main)
