"""A real vLLM that is killed while eight people read in; what became of their answers, and when it was back, out.

SIGKILL, as the kernel's out-of-memory killer sends it: to vLLM's server, or, every second time, to its
process with the weights, which is what the kernel would choose. Every answer that was open then must end
with text and a note; one that had ended before needs none. `lore serve`'s own supervisor must bring the
engine back without a person: from the kill to the first word of the engine's next answer, which is compared
with what vLLM takes to start by itself. That is timed on its second start: the first one reads from the disk.
The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from bench.rig.pulled import pulled
from bench.rig.taught import QUESTIONS
from bot.demo.stage import free_port
from lorekeeper import models
from lorekeeper.domain import BASE_NAME, Answer, Hit, Passage, PassageKind
from lorekeeper.settings import Models, Retrieval, Serving, Settings, Store
from serving import engine
from serving.assistant import Asked, Assistant
from serving.engine import RunningEngine
from serving.traffic import Traffic

VLLM = Path(__file__).parents[1] / ".venv-vllm/bin/python"
SERVER = "server"
VICTIMS = (SERVER, "process with the weights")
KILLS, KILLS_FULL = 2, 6
PATIENCE = 120.0  # seconds that the last of them may wait for a first word
BACK = 600.0  # seconds after which it counts as gone for good


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer. Times are of `time.monotonic`."""

    answer: Answer
    began: float  # its first word
    ended: float
    killed: float = 0.0

    @property
    def was_open(self) -> bool:
        return self.ended > self.killed


class OneSource:
    """An index with one page that answers everything; what is measured lies behind it."""

    def section(self, passage: Passage, **_: object) -> list[Passage]:
        return [passage]

    def search(self, question: str, **_: object) -> list[Hit]:
        page = Passage(
            id="p", text="To deploy billing, run make ship. The retry limit is 5.", title="Handbook",
            kind=PassageKind.DOCUMENT, url="https://example.com/handbook",
        )  # fmt: skip
        return [Hit(passage=page, score=1.0, similarity=1.0, coverage=1.0)]


def main(
    full: Annotated[bool, typer.Option(help=f"{KILLS_FULL} kills instead of {KILLS}.")] = False,
    data: Annotated[Path | None, typer.Option(help="Where the model is kept.")] = None,
    vllm_python: Annotated[Path, typer.Option(help="vLLM's Python.")] = VLLM,
) -> None:
    """Kill vLLM under load, and see what follows."""
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory() as scratch:
        serving = Serving(
            engine="vllm", vllm_python=vllm_python, engine_port=free_port(), max_tokens=200
        )
        settings = Settings(
            store=Store(data=data or Path(scratch)),
            models=Models(base=models.CPU_BASE),
            serving=serving,
        )
        models.get(models.CPU_BASE, settings.store.data)
        console.print("Starting vLLM …")
        engine.start(settings, settings.store.data).stop()
        began = time.monotonic()
        running = engine.start(settings, settings.store.data)
        own_start = time.monotonic() - began
        traffic = Traffic()
        assistant = Assistant(
            search=OneSource(), engine_url=running.url, model=lambda _: (BASE_NAME, BASE_NAME),
            retrieval=Retrieval(), serving=serving, speak=traffic.speak,
        )  # fmt: skip
        watch = threading.Thread(target=running.keep_up)
        watch.start()
        told: list[Told] = []
        back: list[float] = []
        try:
            for number in range(KILLS_FULL if full else KILLS):
                victim = VICTIMS[number % 2]
                console.print(f"Killing the {victim} while {len(QUESTIONS)} people read …")
                heard, took = _kill(assistant, running, victim)
                told += heard
                back.append(took)
        finally:
            running.stop()
            watch.join()
    figures = _figures(told, back, own_start)
    table = Table("Figure", "Value")
    for name, value in figures.items():
        table.add_row(name, str(value))
    console.print(table)
    print(json.dumps(figures))


def _kill(assistant: Assistant, running: RunningEngine, victim: str) -> tuple[list[Told], float]:
    """The answers that were asked for, and the seconds until the engine wrote one again."""
    assert running.supervisor is not None
    with ThreadPoolExecutor(len(QUESTIONS)) as people:
        begun = threading.Barrier(len(QUESTIONS) + 1)
        reading = [people.submit(_answer, assistant, question, begun) for question in QUESTIONS]
        begun.wait(PATIENCE)  # everybody has read a word, and nobody the last one
        killed = time.monotonic()
        os.kill(_process(running.supervisor.pid("engine"), victim), signal.SIGKILL)
        told = [replace(each.result(), killed=killed) for each in reading]
    while (again := _answer(assistant, QUESTIONS[0])).answer.model != BASE_NAME:
        if time.monotonic() - killed > BACK:
            raise typer.BadParameter(f"the engine was not back within {BACK:.0f} s")
        time.sleep(0.5)
    return told, again.began - killed


def _process(server: int, victim: str) -> int:
    """The server itself, or the one that it started and that holds the most memory."""
    if victim == SERVER:
        return server
    below = psutil.Process(server).children(recursive=True)
    return max(below, key=lambda each: each.memory_info().rss).pid


def _answer(assistant: Assistant, question: str, begun: threading.Barrier | None = None) -> Told:
    """Read to the end; with `begun`, wait after the first word until everybody has one."""
    first = 0.0
    for step in pulled(assistant.answer(Asked(question=question))):
        first = first or (time.monotonic() if step.text else 0.0)
        if step.text and begun is not None:
            begun.wait(PATIENCE)
            begun = None
    assert step.answer is not None
    return Told(answer=step.answer, began=first, ended=time.monotonic())


def _figures(told: Sequence[Told], back: Sequence[float], own: float) -> dict[str, float]:
    cut = [each for each in told if each.was_open]
    return {
        "answers": len(told),
        "open_when_killed": len(cut),
        "open_with_text_and_note": sum(
            bool(each.answer.text.strip() and each.answer.note) for each in cut
        ),
        "without_text": sum(not each.answer.text.strip() for each in told),
        "longest_until_told_s": round(
            max((each.ended - each.killed for each in cut), default=0), 2
        ),
        "own_start_s": round(own, 1),
        "back_s": round(max(back), 1),
        "back_ratio": round(max(back) / own, 2),
    }


if __name__ == "__main__":
    typer.run(main)
