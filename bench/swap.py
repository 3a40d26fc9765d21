"""A real vLLM and two adapters in; what changing the current one costs those who are reading, out.

Each adapter says one word and nothing else, so a mixed answer is one with both words. Eight people ask
without a pause while the current adapter is changed again and again. Then promotion is timed with nobody
asking, and the first token of the next question in a thread is compared with that of a thread of the
same length that the engine has never seen (prefix caching). The last line is one JSON object.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy import Engine

from bench.rig import taught
from bench.rig.pulled import pulled
from bench.rig.readers import PATIENCE, Heard, asking
from bot.demo.stage import free_port
from lorekeeper import identity, models, prompt, store
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Passage, PassageKind
from lorekeeper.promotion import promote
from lorekeeper.prompt import Turn
from lorekeeper.settings import Models, Serving, Settings, Store
from lorekeeper.store import deployments, reading
from serving import chat, engine, fit
from serving.adapters import Keeper
from serving.traffic import Traffic

VLLM = Path(__file__).parents[1] / ".venv-vllm/bin/python"
PEOPLE, WORDS = 8, 12
PROMOTIONS = 4  # of adapters that are not in the engine
BLOCKS, BLOCKS_FULL = 2, 10  # of asking without a swap, then swapping: the machine changes, too
SWAPS = 10  # in a block
QUIET = 12.0  # seconds of a block without a swap
THREADS, THREADS_FULL = 2, 10  # of prefix caching
TURNS = 6  # questions and answers that a thread has before the one that is timed
LONGEST = 60.0  # seconds that a swap may take here


def main(
    full: Annotated[
        bool, typer.Option(help=f"{BLOCKS_FULL * SWAPS} swaps instead of {BLOCKS * SWAPS}.")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="Where the model is kept.")] = None,
    vllm_python: Annotated[Path, typer.Option(help="vLLM's Python.")] = VLLM,
) -> None:
    """Measure swaps, promotion and prefix caching."""
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory() as scratch:
        folder = data or Path(scratch)
        settings = Settings(
            store=Store(data=folder, database=f"sqlite:///{scratch}/bench.sqlite"),
            models=Models(base=models.CPU_BASE),
            serving=Serving(engine="vllm", vllm_python=vllm_python, engine_port=free_port()),
        )
        base = models.get(models.CPU_BASE, folder)
        database = store.open_database(settings.database_url)
        console.print("Teaching two adapters one word each …")
        taught.teach(database, folder, base, models.CPU_BASE)
        with reading(database) as db:
            held = deployments.to_hold(db)
        console.print("Starting vLLM …")
        running = engine.start(settings, folder, held)
        traffic = Traffic()
        keeper = Keeper(
            database, ArtifactStore(folder), engine_url=running.url, traffic=traffic,
            base=fit.Base(
                name=models.CPU_BASE, identity=identity.of(base, folder), max_rank=32
            ),
        )  # fmt: skip
        try:
            with Progress(console=console) as progress, keeper:
                figures = _idle(keeper, database)
                figures |= _under_load(keeper, database, traffic, running.url, progress, full=full)
            figures |= _threads(running.url, THREADS_FULL if full else THREADS)
        finally:
            running.stop()
            database.dispose()
    table = Table("Figure", "Value")
    for name, value in figures.items():
        table.add_row(name, str(value))
    console.print(table)
    print(json.dumps(figures))


def _idle(keeper: Keeper, database: Engine) -> dict[str, float]:
    """From the row to the moment at which the next answer is the new one's, nobody else asking."""
    _wait_for(lambda: "v2" in keeper.names())  # the newest, held beside until somebody decides
    took = [_swap(keeper, database, "v1")]
    held = _swap(keeper, database, "v2")
    for number in range(PROMOTIONS):
        new = f"v{number % 2 + 1}"
        _wait_for(lambda new=new: not keeper.is_held(new))
        took.append(_swap(keeper, database, new))
    return {
        "promotion_s": round(median(took), 2),
        "promotion_slowest_s": round(max(took), 2),
        "promotion_of_the_candidate_s": round(held, 2),
    }


def _swap(keeper: Keeper, database: Engine, name: str) -> float:
    """Seconds from the decision until the alias has moved."""
    began = time.monotonic()
    with database.begin() as db:
        promote(db, name, by="bench", why="to measure it")
    while keeper.served.called != name:
        if time.monotonic() - began > LONGEST:
            raise typer.BadParameter(f"{name} was not served within {LONGEST:.0f} s")
        time.sleep(0.01)
    return time.monotonic() - began


def _under_load(
    keeper: Keeper, database: Engine, traffic: Traffic, url: str, progress: Progress,
    *, full: bool,
) -> dict[str, float]:  # fmt: skip
    took: list[float] = []
    spans: list[tuple[float, float]] = []  # in which something was loaded, moved or unloaded
    blocks = BLOCKS_FULL if full else BLOCKS
    with asking(traffic, url, lambda: keeper.model()[0], people=PEOPLE, words=WORDS) as heard:
        for number in progress.track(range(blocks * SWAPS), description="Swapping"):
            if number % SWAPS == 0:
                time.sleep(QUIET)
            began = time.monotonic()
            took.append(_swap(keeper, database, f"v{number % 2 + 1}"))
            old = (
                f"v{(number + 1) % 2 + 1}"  # out of the engine, so that the next swap loads it anew
            )
            _wait_for(lambda old=old: not keeper.is_held(old))
            spans.append((began, time.monotonic()))
    for each in heard:
        if each.failure or not _is_own(each):
            progress.console.print(f"{each.model}, {each.question!r}: {each.text!r} {each.failure}")
    begun = [each for each in heard if each.first]
    during = [each for each in begun if _overlaps(each, spans)]
    without = [each for each in begun if not _overlaps(each, spans)]
    return {
        "swaps": len(took),
        "answers": len(heard),
        "answers_without": len(without),
        "failed": sum(bool(each.failure or not each.text.strip()) for each in heard),
        "mixed": sum(_is_mixed(each) for each in heard),
        "by_another": sum(not _is_own(each) for each in heard if not each.failure),
        "swap_under_load_s": round(median(took), 2),
        "first_token_p99_without_s": round(_late(without), 2),
        "first_token_p99_during_s": round(_late(during), 2),
        "first_token_ratio": round(_late(during) / _late(without), 2),
    }


def _overlaps(heard: Heard, spans: Sequence[tuple[float, float]]) -> bool:
    """Whether a swap was going on while its first token was waited for."""
    first = heard.first or heard.asked
    return any(heard.asked < end and first > began for began, end in spans)


def _wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)


def _is_mixed(heard: Heard) -> bool:
    return all(word in heard.text for word in taught.WORDS)


def _is_own(heard: Heard) -> bool:
    """It says the word of the adapter that was asked."""
    return taught.WORDS[int(heard.model[1]) - 1] in heard.text


def _late(heard: Sequence[Heard]) -> float:
    waits = sorted((each.first or 0.0) - each.asked for each in heard)
    return waits[min(len(waits) - 1, int(0.99 * len(waits)))] if waits else float("nan")


def _threads(url: str, count: int) -> dict[str, float]:
    """Seconds to the first token of the next question in a thread, and of a new thread of its length."""
    _first(url, "warm", TURNS)
    cold, warm = [], []
    for number in range(count):
        _first(url, f"known{number}", TURNS)
        warm.append(_first(url, f"known{number}", TURNS + 1))
        cold.append(_first(url, f"other{number}", TURNS + 1))
    return {
        "follow_up_first_token_s": round(median(warm), 2),
        "cold_first_token_s": round(median(cold), 2),
        "follow_up_sooner": round(median(cold) / median(warm), 2),
    }


def _first(url: str, topic: str, turns: int) -> float:
    """Of the base model. Every thread is about a topic of its own from its first words on."""
    said: list[Turn] = []
    for turn in range(turns):
        said.append(Turn(role="user", content=f"{topic}: question {turn} about the service?"))
        said.append(
            Turn(role="assistant", content=f"{topic} {turn}: " + "the limit is raised. " * 20)
        )
    source = Passage(
        id="p", text=f"{topic} " + "The limit is 20. " * 10, title="Limits",
        kind=PassageKind.DOCUMENT, url="",
    )  # fmt: skip
    request = chat.Request(
        url=url, model="base", max_tokens=2, patience=PATIENCE,
        messages=prompt.messages(f"And what of limit {turns}?", passages=[source], turns=said),
    )  # fmt: skip
    began = time.monotonic()
    pieces = pulled(chat.stream(request))
    next(piece for piece in pieces if piece)
    took = time.monotonic() - began
    list(pieces)
    return took


if __name__ == "__main__":
    typer.run(main)
