"""Questions by 1, 8 and 32 askers at once in; what the gateway costs over calling the engine directly, out.

Three ways to the same engine take turns, round by round: directly, with the very conversation that the
gateway sends; through the gateway with every search answered beforehand; and through the gateway with a
real search (the question embedded, the index searched). The second is what the gateway itself costs, its
queue, guard, citations and the stored answer among it; the third is what an asker meets. Time to the first
word is also compared with the engine's first whole word: the guard passes on no half words. Engine, gateways
and askers are processes of their own. Then one asker with a short answer comes while long ones are written.
The last line is one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

import httpx2
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.labelled.handbook import ANSWERED, PASSAGES
from bench.rig.pulled import pulled
from bot.demo.stage import free_port
from lorekeeper import models, store, telemetry
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import BASE_NAME, Hit, Passage, PassageKind
from lorekeeper.settings import Retrieval, Serving, Settings, Store
from retrieval import embed
from retrieval.index import build
from retrieval.sources import passage
from serving import chat, engine, gateway
from serving.assistant import Asked, Assistant
from serving.connection import Bounded
from serving.fake_engine import FakeEngine, Script

QUICK, FULL = (2, 2), (3, 6)  # rounds, and answers of each asker in a round
AT_ONCE = (1, 8, 32)
TOKENS = 32  # of an answer
PACE = 0.02  # seconds between a scripted engine's tokens
LONG = 100  # answers being written when the short one is asked for
START = 300.0  # seconds for a part to come up
KEY = "bench"
Engine = Literal["auto", "vllm", "embedded", "scripted"]
Way = Literal["direct", "gateway", "with_search"]
WAYS: tuple[Way, ...] = ("direct", "gateway", "with_search")


@dataclass(slots=True)
class Taken:
    """Seconds of some answers."""

    first: list[float] = field(default_factory=list)  # to the first piece of text
    first_word: list[float] = field(default_factory=list)  # to the first whole word
    answers: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


def main(
    which: Annotated[
        Engine, typer.Option("--engine", help="auto: vLLM where it is, else embedded.")
    ] = "auto",
    full: Annotated[bool, typer.Option(help="Three times as many answers.")] = False,
    at_once: Annotated[list[int] | None, typer.Option(help="Askers at once.")] = None,
    data: Annotated[Path | None, typer.Option(help="Where the model is kept.")] = None,
) -> None:
    """Measure what the gateway costs."""
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory() as folder, _engine(which, data or Path(folder)) as running:
        kind, url = running
        asking = _conversations(url, Path(folder))
        with _gateways(url, Path(folder), asking) as urls, Progress(console=console) as progress:
            figures: dict[str, Any] = {"engine": kind}
            rounds, each = FULL if full else QUICK
            for askers in at_once or AT_ONCE:
                taken = _measure(urls, asking, askers, rounds, each, progress)
                figures |= _figures(askers, taken)
        if kind == "scripted":
            figures["short_beside_long_ms"] = _short_beside_long(Path(folder), asking)
    table = Table("figure", "value", title=f"What the gateway costs over {kind} directly")
    for name, value in figures.items():
        table.add_row(name, str(value))
    console.print(table)
    print(json.dumps(figures))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A question, what was found for it, and the conversation that the engine is sent."""

    question: str
    hits: list[Hit]
    messages: list[Any]


@contextmanager
def _engine(which: Engine, data: Path) -> Iterator[tuple[str, str]]:
    if which == "scripted":
        with _process(_speak) as url:
            yield which, url
        return
    serving = Serving(engine_port=free_port(), max_tokens=TOKENS)
    kind = which
    if which == "auto":
        kind = "vllm" if serving.vllm_python.is_file() else "embedded"
    settings = Settings(store=Store(data=data), serving=serving.model_copy(update={"engine": kind}))
    models.get(models.base_spec(settings), data)
    running = engine.start(settings, data)
    try:
        yield running.kind, running.url
    finally:
        running.stop()


@contextmanager
def _process(run: Any, *given: Any) -> Iterator[str]:
    """A server in a process of its own: its URL, once it answers."""
    port = free_port()
    child = multiprocessing.get_context("spawn").Process(target=run, args=(port, *given))
    child.start()
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + START
        while not _is_up(url) and child.is_alive() and time.monotonic() < end:
            time.sleep(0.1)
        if not _is_up(url):
            raise typer.BadParameter(f"{run.__name__} did not come up")
        yield url
    finally:
        child.terminate()
        child.join()


def _is_up(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/v1/models", trust_env=False, timeout=1).is_success
    except httpx2.HTTPError:
        return False


def _speak(port: int) -> None:
    """A scripted engine: so many words, at its pace."""
    import uvicorn

    tokens = [f"word{number} " for number in range(TOKENS)]
    scripted = FakeEngine(Script(tokens=tokens, pace=PACE))
    uvicorn.run(scripted._app(), port=port, log_level="error")


def _serve(port: int, url: str, folder: Path, asking: list[Asking], searches: bool) -> None:
    """A gateway as `lore serve` runs it, before an index that finds what was found beforehand."""
    import sys

    import uvicorn

    from serving.serve import SWITCH

    telemetry.configure()
    sys.setswitchinterval(SWITCH)
    database = store.open_database(f"sqlite:///{folder / f'{port}.sqlite'}")
    search = _Known(
        {one.question: one.hits for one in asking}, _index(folder) if searches else None
    )
    app = gateway.create(_assistant(search, url), database, key=KEY)
    uvicorn.run(app, port=port, http=Bounded, log_level="error")


class _Known:
    """Gives what was found beforehand; with an index, after a search for it, whose hits are left out."""

    def __init__(self, hits: dict[str, list[Hit]], index: Any) -> None:
        self._hits = hits
        self._index = index

    def search(self, question: str, **how: Any) -> list[Hit]:
        if self._index is not None:
            self._index.search(question, **how)
        return self._hits[question]

    def section(self, _passage: Passage, **_: Any) -> list[Passage]:
        """The handbook's pages have one passage each."""
        return []


def _index(folder: Path) -> Any:
    made = [
        passage(
            kind=PassageKind.DOCUMENT, text=text, title=name, url=f"https://wiki.example/{name}"
        )
        for name, text in PASSAGES.items()
    ]
    settings = Settings()
    embedder = embed.load(settings.models.embedder_name, folder)
    return build(made, embedder, ArtifactStore(folder / "index"))


def _assistant(search: Any, url: str) -> Assistant:
    return Assistant(
        search=search,
        engine_url=url,
        model=lambda wanted: (BASE_NAME, BASE_NAME),
        retrieval=Retrieval(min_evidence=0.0),
        serving=Serving(max_tokens=TOKENS, first_token_seconds=300.0),
    )


def _conversations(url: str, folder: Path) -> list[Asking]:
    """What the gateway sends to the engine, taken down on its way."""
    index = _index(folder)
    asking = []
    for question, _ in ANSWERED:
        sent: list[chat.Request] = []

        async def note(
            request: chat.Request, sent: list[chat.Request] = sent
        ) -> AsyncGenerator[str, None]:
            sent.append(request)
            yield "Noted."

        writing = replace(_assistant(index, url), speak=note)
        list(pulled(writing.answer(Asked(question=question))))
        if sent:
            hits = index.search(question, scopes=Asked(question="").scopes, k=7)
            asking.append(
                Asking(question=question, hits=hits, messages=list(sent[0].messages))
            )  # fmt: skip
    return asking


@contextmanager
def _gateways(url: str, folder: Path, asking: list[Asking]) -> Iterator[dict[Way, str]]:
    with (
        _process(_serve, url, folder, asking, False) as alone,
        _process(_serve, url, folder, asking, True) as searching,
    ):
        yield {"direct": url, "gateway": alone, "with_search": searching}


def _measure(
    urls: dict[Way, str],
    asking: list[Asking],
    askers: int,
    rounds: int,
    each: int,
    progress: Progress,
) -> dict[Way, Taken]:
    """The ways take turns, and which one begins changes, so that what else the machine does meets all alike."""
    taken = {way: Taken() for way in WAYS}
    bar = progress.add_task(f"{askers} at once", total=(rounds + 1) * len(WAYS))
    for number in range(rounds + 1):
        for way in (*WAYS[number % 3 :], *WAYS[: number % 3]):
            into = taken[way] if number else Taken()  # the first round warms up
            asyncio.run(_round(way, urls[way], asking, askers, each, into))
            progress.advance(bar)
    return taken


async def _round(
    way: Way, url: str, asking: list[Asking], askers: int, each: int, taken: Taken
) -> None:
    async with httpx2.AsyncClient(trust_env=False, timeout=600) as client:

        async def asker(number: int) -> None:
            for turn in range(each):
                one = asking[(number * each + turn) % len(asking)]
                await _answer(client, url, _body(way, one), taken)

        began = time.monotonic()
        await asyncio.gather(*(asker(number) for number in range(askers)))
        taken.seconds += time.monotonic() - began


def _body(way: Way, one: Asking) -> dict[str, Any]:
    body: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    if way == "direct":
        how = {"model": BASE_NAME, "temperature": 0, "max_tokens": TOKENS}
        return body | how | {"messages": one.messages}
    asked = [{"role": "user", "content": one.question}]
    return body | {"model": "lorekeeper", "messages": asked}


async def _answer(client: httpx2.AsyncClient, url: str, body: dict[str, Any], taken: Taken) -> None:
    began, said, has_word = time.monotonic(), "", False
    headers = {"Authorization": f"Bearer {KEY}"}
    where = f"{url}/v1/chat/completions"
    async with client.stream("POST", where, json=body, headers=headers) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            choices = json.loads(line.removeprefix("data: "))["choices"]
            text = choices[0]["delta"].get("content") if choices else ""
            if not text:
                continue
            if not said:
                taken.first.append(time.monotonic() - began)
            said += text
            if not has_word and (len(said.split()) > 1 or said.lstrip() != said.strip()):
                has_word = True
                taken.first_word.append(time.monotonic() - began)
    if not said:
        raise typer.BadParameter(f"{url} said nothing")
    taken.answers += 1


def _figures(askers: int, taken: dict[Way, Taken]) -> dict[str, Any]:
    direct = taken["direct"]
    made: dict[str, Any] = {f"direct_answers_a_second_{askers}": round(direct.rate, 3)}
    made[f"direct_first_ms_{askers}"] = round(1000 * median(direct.first), 1)
    for way in WAYS[1:]:
        own = taken[way]
        added = median(own.first) - median(direct.first)
        word = median(own.first) - median(direct.first_word)
        made[f"{way}_throughput_ratio_{askers}"] = round(own.rate / direct.rate, 3)
        made[f"{way}_added_first_ms_{askers}"] = round(1000 * added, 1)
        made[f"{way}_added_first_word_ms_{askers}"] = round(1000 * word, 1)
    return made


def _short_beside_long(folder: Path, asking: list[Asking]) -> float:
    """Milliseconds to a short answer's first word while `LONG` long ones are written."""
    with (
        _process(_speak_long) as url,
        _process(_serve, url, folder, asking, False) as answering,
    ):
        return asyncio.run(_beside(answering, asking))


def _speak_long(port: int) -> None:
    import uvicorn

    tokens = [f"word{number} " for number in range(200)]
    uvicorn.run(FakeEngine(Script(tokens=tokens, pace=0.1))._app(), port=port, log_level="error")


async def _beside(url: str, asking: list[Asking]) -> float:
    async with httpx2.AsyncClient(trust_env=False, timeout=600, limits=httpx2.Limits()) as client:
        long = [
            asyncio.ensure_future(
                _answer(client, url, _body("gateway", asking[number % len(asking)]), Taken())
            )
            for number in range(LONG)
        ]
        while f"_answering {LONG}.0" not in (await client.get(f"{url}/metrics")).text:
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)
        waits = []
        for one in asking[:10]:
            taken = Taken()
            asked = asyncio.ensure_future(_answer(client, url, _body("gateway", one), taken))
            while not taken.first:
                await asyncio.sleep(0.01)
            asked.cancel()
            waits += taken.first
        for each in long:
            each.cancel()
        return round(1000 * max(waits), 1)


if __name__ == "__main__":
    typer.run(main)
