"""A Slack export in; how long `lore import` takes for it and for a large made-up one, and in how much memory, out.

Each import runs in a process of its own, with everything but embedding: parse, redact, store, mine. The
last line is one JSON object.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from builder.imports.slack import import_export
from lorekeeper.store import open_database

QUICK, FULL = 20_000, 1_000_000  # made-up messages
A_DAY = 2_000  # messages
PEOPLE = 200
CHANNELS = 5
MIB = 2**20


def main(
    export: Annotated[Path, typer.Argument(help="A Slack export.", exists=True)],
    full: Annotated[bool, typer.Option(help=f"{FULL} made-up messages, not {QUICK}.")] = False,
) -> None:
    """Measure the import of an export, and of one that is made up."""
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "made-up.zip"
        _apart(make_up, made, FULL if full else QUICK)
        measured = {"export": _apart(_import, export), "made_up": _apart(_import, made)}
    table = Table("", "messages", "new candidates", "seconds", "messages/s", "peak MiB")
    for name, one in measured.items():
        table.add_row(
            name,
            *(
                str(one[key])
                for key in ("messages", "candidates", "seconds", "per_second", "peak_mib")
            ),
        )
    console.print(table)
    print(json.dumps(measured))


def make_up(path: Path, count: int) -> None:
    """Write an export of flat and threaded talk, day by day, with the odd address in it."""
    chance = random.Random(0)
    words = [f"{a}{b}" for a in ("gate", "build", "deploy", "vault", "index") for b in range(200)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        names = [f"made-up-{number}" for number in range(CHANNELS)]
        listed = [{"id": f"C{number}", "name": name} for number, name in enumerate(names)]
        packed.writestr("channels.json", json.dumps(listed))
        packed.writestr("users.json", json.dumps([{"id": f"U{n}"} for n in range(PEOPLE)]))
        for day in range(-(-count // A_DAY)):
            said = _day(chance, words, day, min(A_DAY, count - day * A_DAY))
            date = datetime.fromtimestamp(said[0][0], UTC).date()
            name = names[day % CHANNELS]
            packed.writestr(f"{name}/{date}.json", json.dumps([entry for _, entry in said]))


def _day(
    chance: random.Random, words: list[str], day: int, count: int
) -> list[tuple[float, dict[str, object]]]:
    at, root, said = 1_500_000_000.0 + day * 86_400, "", []
    for number in range(count):
        at += chance.expovariate(1 / 30)
        text = " ".join(chance.choices(words, k=chance.randint(3, 30)))
        text += chance.choice(("?", ".", ".", f". Mail a{number}@example.com", ", see `10.0.0.7`"))
        ts = f"{at:.6f}"
        entry: dict[str, object] = {
            "type": "message",
            "user": f"U{chance.randrange(PEOPLE)}",
            "text": text,
            "ts": ts,
        }
        if chance.random() < 0.3 and root:
            entry["thread_ts"] = root
        elif chance.random() < 0.2:
            root = ts
            entry["thread_ts"] = ts
        said.append((at, entry))
    return said


def _import(path: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as data:
        engine = open_database(f"sqlite:///{Path(data) / 'lorekeeper.sqlite'}")
        began = time.perf_counter()
        report = import_export(engine, path, by="bench")
        seconds = time.perf_counter() - began
        engine.dispose()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "messages": report.read,
        "candidates": report.found,
        "seconds": round(seconds, 1),
        "per_second": round(report.read / seconds),
        "peak_mib": round(peak / (MIB if sys.platform == "darwin" else 1024)),
    }


def _apart(work, *arguments):  # type: ignore[no-untyped-def]
    """Do it in a new process, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


if __name__ == "__main__":
    typer.run(main)
