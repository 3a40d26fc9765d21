"""A real vLLM that is killed while eight people read in; what became of their answers, and when it was back, out.

SIGKILL, as the kernel's out-of-memory killer sends it. Every open answer must end with text and a note;
`lore serve`'s own supervisor must bring the engine back without a person, which is compared with what
vLLM took to start by itself in the same run. The last line is one JSON object.
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
from pathlib import Path
from typing import Annotated

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
KILLS, KILLS_FULL = 1, 5
READING = 8.0  # seconds of reading before the engine is killed
BACK = 600.0  # seconds after which it counts as gone for good


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
        answers: list[Answer] = []
        back: list[float] = []
        try:
            for number in range(KILLS_FULL if full else KILLS):
                console.print(f"Killing it while {len(QUESTIONS)} people read ({number + 1}) …")
                told, took = _kill(assistant, running)
                answers += told
                back.append(took)
        finally:
            running.stop()
            watch.join()
    figures = _figures(answers, back, own_start)
    table = Table("Figure", "Value")
    for name, value in figures.items():
        table.add_row(name, str(value))
    console.print(table)
    print(json.dumps(figures))


def _kill(assistant: Assistant, running: RunningEngine) -> tuple[list[Answer], float]:
    """The answers that were open, and the seconds until the engine wrote one again."""
    assert running.supervisor is not None
    with ThreadPoolExecutor(len(QUESTIONS)) as people:
        reading = [people.submit(_answer, assistant, question) for question in QUESTIONS]
        time.sleep(READING)
        pid = running.supervisor.pid("engine")
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        told = [each.result() for each in reading]
    while _answer(assistant, QUESTIONS[0]).model != BASE_NAME:
        if time.monotonic() - killed > BACK:
            raise typer.BadParameter(f"the engine was not back within {BACK:.0f} s")
        time.sleep(0.5)
    return told, time.monotonic() - killed


def _answer(assistant: Assistant, question: str) -> Answer:
    *_, last = pulled(assistant.answer(Asked(question=question)))
    assert last.answer is not None
    return last.answer


def _figures(answers: Sequence[Answer], back: Sequence[float], own: float) -> dict[str, float]:
    cut = [each for each in answers if each.note]
    return {
        "open_answers": len(answers),
        "with_text": sum(bool(each.text.strip()) for each in answers),
        "cut_off_with_a_note": len(cut),
        "without_text_or_note": sum(
            not each.text.strip() or (each.model != BASE_NAME and not each.note) for each in answers
        ),
        "own_start_s": round(own, 1),
        "back_s": round(max(back), 1),
        "back_ratio": round(max(back) / own, 2),
    }


if __name__ == "__main__":
    typer.run(main)
