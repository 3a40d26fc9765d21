"""Chat messages in; pieces of an answer from any OpenAI-compatible endpoint, as they come, out."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from lorekeeper.errors import LorekeeperError
from lorekeeper.prompt import Turn

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletionMessageParam

CONNECT = 5.0  # seconds
LOOK = 0.1  # seconds between two looks whether anybody still reads
AGAIN = "Ask again in a minute."


class EngineFailed(LorekeeperError):
    """The engine is down, too slow, or broke off; the answer goes on without it."""


class UnknownModel(EngineFailed):
    """The engine runs, and does not serve the model that was named."""


class TooLong(EngineFailed):
    """The engine runs, and refuses the conversation as it is; a shorter one may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of the engine at `url`."""

    url: str
    model: str
    messages: Sequence[Turn]
    max_tokens: int
    patience: float  # seconds in which it must say something
    gone: threading.Event = field(default_factory=threading.Event)  # set when nobody reads


def stream(request: Request) -> Generator[str, None, None]:
    """Pieces of the answer, greedily decoded.

    Closing the iterator, or setting `gone`, ends the request at once, and with it the engine's work.

    Raises:
        EngineFailed: nothing came for `patience` seconds, the connection broke, or it was refused.
    """
    call = _Call(request)
    call.start()
    try:
        while (piece := call.next()) is not None:
            yield piece
    finally:
        call.end()
    if call.failure is not None:
        raise call.failure


class _Call:
    """One request in a thread with a loop of its own: a read that blocks could not be broken off."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._pieces = queue.SimpleQueue[str | None]()
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="engine call")
        self.failure: EngineFailed | None = None

    def start(self) -> None:
        self._task = self._loop.create_task(self._read())
        self._thread.start()

    def next(self) -> str | None:
        """The next piece; None at the end, or when nobody reads any more."""
        while not self._request.gone.is_set():
            try:
                return self._pieces.get(timeout=LOOK)
            except queue.Empty:
                continue
        return None

    def end(self) -> None:
        if self._task is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        try:
            assert self._task is not None
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass  # nobody reads any more
        except EngineFailed as failure:
            self.failure = failure
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
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

    async def _spoken(self) -> bool:
        """Whether the answer came to its end."""
        import httpx2
        from openai import AsyncOpenAI

        finished = False
        wanted = self._request
        # The engine listens on loopback only, without a key; the gateway checks keys.
        async with (
            AsyncOpenAI(
                base_url=f"{wanted.url}/v1",
                api_key="none",
                timeout=httpx2.Timeout(wanted.patience, connect=CONNECT),
                max_retries=0,
            ) as client,
            await client.chat.completions.create(
                model=wanted.model,
                messages=cast("list[ChatCompletionMessageParam]", list(wanted.messages)),
                max_tokens=wanted.max_tokens,
                temperature=0,
                stream=True,
            ) as chunks,
        ):
            async for chunk in chunks:
                for choice in chunk.choices:
                    finished = finished or choice.finish_reason is not None
                    self._pieces.put(choice.delta.content or "")
        return finished


def _refused(error: openai.APIStatusError, model: str) -> EngineFailed:
    what = f"The engine refused the question ({error.status_code})."
    if error.status_code == 404:
        return UnknownModel(f"The engine does not serve {model} now.", fix=AGAIN)
    return TooLong(what, fix=AGAIN) if error.status_code == 400 else EngineFailed(what, fix=AGAIN)
