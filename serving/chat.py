"""Chat messages in; pieces of an answer from any OpenAI-compatible endpoint, as they come, out."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lorekeeper.errors import LorekeeperError

if TYPE_CHECKING:
    import aiohttp

CONNECT = 5.0  # seconds
LONGEST_REASON = 500  # characters
AGAIN = "Ask again in a minute."
Chunk = dict[str, Any]
"""OpenAI's `chat.completion.chunk`, as JSON."""

DATA, DONE = b"data:", b"[DONE]"  # of server-sent events, as OpenAI writes them


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
    spent: Spent = field(default_factory=Spent)  # the engine's count is added here
    request_id: str = ""  # under which the engine logs it, too


async def stream(request: Request) -> AsyncGenerator[str, None]:
    """Pieces of the answer, greedily decoded; what came together is one. See `chunks`."""
    async with aclosing(_reads(request)) as reads:
        async for read in reads:
            choices = [choice for chunk in read for choice in chunk["choices"]]
            yield "".join((choice.get("delta") or {}).get("content") or "" for choice in choices)


async def chunks(request: Request) -> AsyncGenerator[Chunk, None]:
    """The answer as the engine sends it.

    Closing the iterator, or cancelling whoever reads it, ends the request at once, and with it the
    engine's work.

    Raises:
        EngineFailed: nothing came for `patience` seconds, the connection broke, or it was refused.
    """
    async with aclosing(_reads(request)) as reads:
        async for read in reads:
            for chunk in read:
                yield chunk


async def _reads(request: Request) -> AsyncGenerator[list[Chunk], None]:
    """The chunks that came together, from one read of the connection to the next: who is behind catches up."""
    import aiohttp

    try:
        async with _asked(request) as response:
            if not response.ok:
                raise _refused(response.status, await response.text(), request.model)
            told = _Told(request.spent)
            async for data in response.content.iter_any():
                if read := told.read(data):
                    yield read
        if not told.is_finished:
            raise EngineFailed("The engine broke off in the middle.", fix=AGAIN)
    except TimeoutError as error:
        said = f"The engine said nothing for {request.patience:.0f} s."
        raise EngineFailed(said, fix=AGAIN) from error
    except (aiohttp.ClientError, OSError) as error:
        raise EngineFailed("The engine does not answer.", fix=AGAIN) from error
    except ValueError as error:
        raise EngineFailed("The engine said what cannot be read.", fix=AGAIN) from error


@asynccontextmanager
async def _asked(wanted: Request) -> AsyncIterator[aiohttp.ClientResponse]:
    """The engine's response, on a connection of its own: one that was kept may be closed by now.

    aiohttp spends a third of httpx's time on each word that comes. The engine is on an inner network,
    so no proxy is asked for, and it needs no key.
    """
    import aiohttp

    limit = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=wanted.patience)
    body = {
        "model": wanted.model,
        "messages": list(wanted.messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        **wanted.options,
        **({"max_tokens": wanted.max_tokens} if wanted.max_tokens else {}),
    }
    headers = {"X-Request-Id": wanted.request_id} if wanted.request_id else {}
    where = f"{wanted.url}/v1/chat/completions"
    async with (
        aiohttp.ClientSession(timeout=limit) as session,
        session.post(where, json=body, headers=headers) as response,
    ):
        yield response


@dataclass(slots=True)
class _Told:
    """Bytes of server-sent events in, as they come; whole chunks out."""

    spent: Spent
    is_finished: bool = False
    _rest: bytes = b""  # of a line that is not here whole

    def read(self, data: bytes) -> list[Chunk]:
        """Raises ValueError when it cannot be read."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        told = [line.removeprefix(DATA).strip() for line in lines if line.startswith(DATA)]
        chunks: list[Chunk] = [json.loads(event) for event in told if event != DONE]
        for usage in filter(None, (chunk.get("usage") for chunk in chunks)):
            self.spent.prompt += usage.get("prompt_tokens", 0)
            self.spent.completion += usage.get("completion_tokens", 0)
        said = [chunk for chunk in chunks if chunk.get("choices")]  # an error has none
        self.is_finished |= any(_is_end(chunk["choices"][0].get("finish_reason")) for chunk in said)
        return said


def _is_end(reason: str | None) -> bool:
    """vLLM also says `abort` or `error` of answers that it gave up, as when it is put to sleep."""
    return reason not in {None, "abort", "error"}


def _refused(status: int, body: str, model: str) -> EngineFailed:
    what = f"The engine refused the question ({status})."
    if status == 404:
        return UnknownModel(f"The engine does not serve {model} now.", fix=AGAIN)
    says = f"The engine says: {_reason(body)[:LONGEST_REASON]}"
    return TooLong(what, fix=says) if status == 400 else EngineFailed(what, fix=AGAIN)


def _reason(body: str) -> str:
    """The words in OpenAI's error, or all that was said where there is none."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body
