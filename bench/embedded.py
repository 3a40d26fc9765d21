"""A small model in; the embedded engine and `transformers serve` answering the same questions side by side out.

Both run alone, one after the other, in the same precision, with the same greedy answers of at most
`WORDS` tokens, asked by 1 and by 8 people at once. Tokens are counted with the model's own tokenizer. The
last line is one JSON object; a ratio above 1 means that the embedded engine is the faster one.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import httpx2
import typer
from rich.console import Console
from rich.table import Table

from bench.labelled.handbook import ANSWERED, PASSAGES
from bench.rig.pulled import pulled
from bot.demo.stage import free_port
from lorekeeper import models, prompt
from lorekeeper.domain import BASE_NAME, Passage, PassageKind
from lorekeeper.up import Supervisor
from serving import chat

START = 180.0  # seconds to come up
PATIENCE = 120.0
WORDS, WORDS_FULL = 16, 128  # tokens of an answer
ROUNDS, ROUNDS_FULL = 1, 4
QUESTIONS = {1: 4, 8: 8}  # people to questions in a round: as long for one as for many


def main(
    full: Annotated[bool, typer.Option(help="Longer answers, and more of them.")] = False,
    model: Annotated[str, typer.Option(help="As in LORE_MODELS__BASE.")] = models.CPU_BASE,
    data: Annotated[Path | None, typer.Option(help="Where the model is kept.")] = None,
    threads: Annotated[int, typer.Option(help="Of each server; 0: as many as it likes.")] = 0,
) -> None:
    """Measure both servers."""
    console = Console(stderr=True, highlight=False)
    words, rounds = (WORDS_FULL, ROUNDS_FULL) if full else (WORDS, ROUNDS)
    table = Table("Server", "At once", "Tokens a second", "First token, median (s)")
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = models.get(model, data or Path(scratch) / "data")
        for server in ("embedded", "transformers"):
            with _running(server, folder, Path(scratch), threads) as (url, name):
                for people in QUESTIONS:
                    pace, first = _measure(url, name, folder, people, words, rounds)
                    figures[f"{server}_tokens_per_second_at_{people}"] = round(pace, 2)
                    figures[f"{server}_first_token_s_at_{people}"] = round(first, 3)
                    table.add_row(server, str(people), f"{pace:.1f}", f"{first:.2f}")
                    console.print(f"{server}, {people} at once: {pace:.1f} tokens a second")
    for people in QUESTIONS:
        ours, theirs = (
            figures[f"{each}_tokens_per_second_at_{people}"]
            for each in ("embedded", "transformers")
        )
        figures[f"ratio_at_{people}"] = round(ours / theirs, 2)
    console.print(table)
    print(json.dumps(figures))


@contextmanager
def _running(server: str, model: Path, scratch: Path, threads: int) -> Iterator[tuple[str, str]]:
    """Its address, and the name that it serves the model under."""
    port = free_port()
    where = ["--port", str(port), "--dtype", "float32"]
    commands = {
        "embedded": [sys.executable, "-m", "serving.embedded", "--model", str(model), *where],
        "transformers": [
            str(Path(sys.executable).parent / "transformers"), "serve", str(model), *where,
            "--device", "cpu",
        ],
    }  # fmt: skip
    with Supervisor(scratch / "logs") as processes:
        environment = {"OMP_NUM_THREADS": str(threads)} if threads else {}
        processes.start(server, commands[server], {"HF_HUB_OFFLINE": "1", **environment})
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + START
        while not _answers(url):
            processes.check()
            if time.monotonic() > end:
                raise typer.BadParameter(f"{server} did not come up in {START:.0f} s")
            time.sleep(0.5)
        yield url, BASE_NAME if server == "embedded" else str(model)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/health", timeout=2.0, trust_env=False).is_success
    except httpx2.HTTPError:
        return False


def _measure(
    url: str, name: str, model: Path, people: int, words: int, rounds: int
) -> tuple[float, float]:
    """Tokens a second of everybody together, and the median seconds to the first piece of text."""
    from transformers import AutoTokenizer

    asked = [_messages(number) for number in range(QUESTIONS[people] * rounds)]
    _ask(url, name, asked[0], words)  # everything is loaded once
    began = time.monotonic()
    with ThreadPoolExecutor(people) as together:
        told = list(together.map(lambda each: _ask(url, name, each, words), asked))
    took = time.monotonic() - began
    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    tokens = sum(len(tokenizer(text)["input_ids"]) for text, _ in told)
    return tokens / took, median(first for _, first in told)


def _messages(number: int) -> Sequence[Any]:
    names = list(PASSAGES)
    shown = [names[(number + step) % len(names)] for step in range(2)]
    quoted = [
        Passage(id=name, text=PASSAGES[name], title=name, kind=PassageKind.DOCUMENT, url="")
        for name in shown
    ]
    return prompt.messages(ANSWERED[number % len(ANSWERED)][0], passages=quoted)


def _ask(url: str, name: str, messages: Sequence[Any], words: int) -> tuple[str, float]:
    began = time.monotonic()
    first = 0.0
    request = chat.Request(
        url=url, model=name, messages=messages, max_tokens=words, patience=PATIENCE,
    )  # fmt: skip
    said = []
    with closing(pulled(chat.stream(request))) as pieces:
        for piece in pieces:
            if piece and not first:
                first = time.monotonic() - began
            said.append(piece)
    return "".join(said), first


if __name__ == "__main__":
    typer.run(main)
