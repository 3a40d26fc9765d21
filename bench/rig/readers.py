"""Questions asked by several people without a pause in; when each answer began and ended, and what it said, out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from bench.rig.pulled import pulled
from bench.rig.taught import QUESTIONS
from lorekeeper import prompt
from serving import chat
from serving.traffic import Traffic

PATIENCE = 120.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One answer. Times are of `time.monotonic`."""

    question: str
    asked: float
    first: float | None
    text: str
    model: str
    failure: str = ""


@contextmanager
def asking(
    traffic: Traffic, url: str, model: Callable[[], str], *, people: int, words: int
) -> Iterator[list[Heard]]:
    """While the block runs, so many people ask one question after another; the list grows."""
    stop = threading.Event()
    heard: list[Heard] = []

    def ask(number: int) -> None:
        turn = number
        while not stop.is_set():
            heard.append(one(traffic, url, model(), QUESTIONS[turn % len(QUESTIONS)], words))
            turn += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(people)]
    for thread in threads:
        thread.start()
    try:
        yield heard
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def one(traffic: Traffic, url: str, model: str, question: str, words: int) -> Heard:
    """Ask once, and read to the end."""
    request = chat.Request(
        url=url, model=model, messages=prompt.messages(question), max_tokens=words, patience=PATIENCE,
    )  # fmt: skip
    asked, first, failure = time.monotonic(), None, ""
    said: list[str] = []
    try:
        with closing(pulled(traffic.speak(request))) as pieces:
            for piece in pieces:
                first = first or (time.monotonic() if piece else None)
                said.append(piece)
    except chat.EngineFailed as error:
        failure = error.what
    return Heard(
        question=question,
        asked=asked,
        first=first,
        text="".join(said),
        model=model,
        failure=failure,
    )
