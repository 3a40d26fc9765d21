"""Chat messages in; pieces of an answer from any OpenAI-compatible endpoint, as they come, out."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from lorekeeper.errors import LorekeeperError

if TYPE_CHECKING:
    import openai

CONNECT = 5.0  # seconds
LOOK = 0.1  # seconds between two looks whether anybody still reads
LONGEST_REASON = 500  # characters
AGAIN = "Ask again in a minute."
Chunk = dict[str, Any]
"""OpenAI's `chat.completion.chunk`, as JSON."""

DATA, DONE = "data:", "[DONE]"  # of server-sent events, as OpenAI writes them


class EngineFailed(LorekeeperError):
    """The engine is down, too slow, or broke off; the answer goes on without it."""


class UnknownModel(EngineFailed):
    """The engine runs, and does not serve the model that was named."""


class TooLong(EngineFailed):
    """The engine runs, and refuses the conversation as it is; a shorter one may do."""


@dataclass(slots=True)
class Spent:
    """The tokens that an engine says it read and wrote, added up over the tries of one answer."""

    prompt: int = 0
    completion: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of the engine at `url`."""

    url: str
    model: str
    messages: Sequence[Mapping[str, Any]]
    max_tokens: int | None  # None: as many as the engine has room for
    patience: float  # seconds in which it must say something
    options: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 0})
    """More of OpenAI's fields."""
    gone: threading.Event = field(default_factory=threading.Event)  # set when nobody reads
    spent: Spent = field(default_factory=Spent)  # the engine's count is added here
    request_id: str = ""  # under which the engine logs it, too


def stream(request: Request) -> Generator[str, None, None]:
    """Pieces of the answer, greedily decoded. See `chunks`."""
    with closing(chunks(request)) as given:
        for chunk in given:
            for choice in chunk["choices"]:
                yield (choice.get("delta") or {}).get("content") or ""


def chunks(request: Request) -> Generator[Chunk, None, None]:
    """The answer as the engine sends it.

    Closing the iterator, or setting `gone`, ends the request at once, and with it the engine's work.

    Raises:
        EngineFailed: nothing came for `patience` seconds, the connection broke, or it was refused.
    """
    call = _Call(request)
    call.start()
    try:
        while (chunk := call.next()) is not None:
            yield chunk
    finally:
        call.end()
    if call.failure is not None:
        raise call.failure


class _Call:
    """One request on the loop that all of them share: a read that blocks could not be broken off."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._pieces: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()
        self._read_on: Future[None] | None = None
        self.failure: EngineFailed | None = None

    def start(self) -> None:
        self._read_on = asyncio.run_coroutine_threadsafe(self._run(), _loop())

    def next(self) -> Chunk | None:
        """The next piece; None at the end, or when nobody reads any more."""
        while not self._request.gone.is_set():
            try:
                return self._pieces.get(timeout=LOOK)
            except queue.Empty:
                continue
        return None

    def end(self) -> None:
        """Break off what is still read, which closes the connection."""
        if self._read_on is not None:
            self._read_on.cancel()

    async def _run(self) -> None:
        try:
            await self._read()
        except EngineFailed as failure:
            self.failure = failure
        finally:
            self._pieces.put(None)

    async def _read(self) -> None:
        import httpx2
        import openai

        try:
            if not await self._spoken():
                raise EngineFailed("The engine broke off in the middle.", fix=AGAIN)
        except (openai.APITimeoutError, httpx2.TimeoutException) as error:
            said = f"The engine said nothing for {self._request.patience:.0f} s."
            raise EngineFailed(said, fix=AGAIN) from error
        except openai.APIStatusError as error:
            raise _refused(error, self._request.model) from error
        except (openai.APIError, httpx2.HTTPError, OSError) as error:
            raise EngineFailed("The engine does not answer.", fix=AGAIN) from error
        except ValueError as error:
            raise EngineFailed("The engine said what cannot be read.", fix=AGAIN) from error

    async def _spoken(self) -> bool:
        """Whether the answer came to its end.

        The events are read as they are: the client's own objects would cost more than the rest of the
        way of a word, a thousand times a second when a hundred answers are written at once.
        """
        import httpx2

        finished = False
        wanted = self._request
        create: Any = _client(wanted.url).chat.completions.with_streaming_response.create
        async with create(
            model=wanted.model,
            messages=list(wanted.messages),
            stream=True,
            stream_options={"include_usage": True},
            timeout=httpx2.Timeout(wanted.patience, connect=CONNECT),
            extra_headers={"X-Request-Id": wanted.request_id} if wanted.request_id else None,
            **wanted.options,
            **({"max_tokens": wanted.max_tokens} if wanted.max_tokens else {}),
        ) as response:
            async for line in response.iter_lines():
                told = line.removeprefix(DATA).strip()
                if not line.startswith(DATA) or told == DONE:
                    continue
                chunk: Chunk = json.loads(told)
                if "error" in chunk:
                    raise EngineFailed("The engine broke off in the middle.", fix=AGAIN)
                if chunk.get("usage"):
                    self._add_up(chunk["usage"])
                if chunk.get("choices"):
                    finished = finished or _is_end(chunk["choices"][0].get("finish_reason"))
                    self._pieces.put(chunk)
        return finished

    def _add_up(self, usage: Mapping[str, int]) -> None:
        self._request.spent.prompt += usage.get("prompt_tokens", 0)
        self._request.spent.completion += usage.get("completion_tokens", 0)


def _is_end(reason: str | None) -> bool:
    """vLLM also says `abort` or `error` of answers that it gave up, as when it is put to sleep."""
    return reason not in {None, "abort", "error"}


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One for the process: a hundred answers at once are a hundred tasks, not a hundred threads."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="engine calls", daemon=True).start()
    return loop


@cache
def _client(url: str) -> openai.AsyncOpenAI:
    """Used on the shared loop only. The engine is reached on a network of its own, without a key."""
    from openai import AsyncOpenAI

    return AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def _refused(error: openai.APIStatusError, model: str) -> EngineFailed:
    what = f"The engine refused the question ({error.status_code})."
    says = f"The engine says: {error.message[:LONGEST_REASON]}"
    if error.status_code == 404:
        return UnknownModel(f"The engine does not serve {model} now.", fix=AGAIN)
    return TooLong(what, fix=says) if error.status_code == 400 else EngineFailed(what, fix=AGAIN)
