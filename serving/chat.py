"""Chat messages in; pieces of an answer from any OpenAI-compatible endpoint, as they come, out."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import cache
from typing import TYPE_CHECKING, cast

from lorekeeper.errors import LorekeeperError
from lorekeeper.prompt import Turn

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletionMessageParam


class EngineFailed(LorekeeperError):
    """The engine is down, too slow, or broke off; the answer goes on without it."""


def stream(
    url: str, *, model: str, messages: Sequence[Turn], max_tokens: int, patience: float
) -> Generator[str, None, None]:
    """Pieces of the answer, greedily decoded. Closing the iterator ends the request, and with it the work.

    Raises:
        EngineFailed: nothing came for `patience` seconds, the connection broke, or it was refused.
    """
    import openai

    try:
        with _client(url, patience).chat.completions.create(
            model=model,
            messages=cast("list[ChatCompletionMessageParam]", list(messages)),
            max_tokens=max_tokens,
            temperature=0,
            stream=True,
        ) as chunks:
            finished = False
            for chunk in chunks:
                if chunk.choices:
                    finished = finished or chunk.choices[0].finish_reason is not None
                    yield chunk.choices[0].delta.content or ""
    except openai.APITimeoutError as error:
        raise EngineFailed(
            f"The engine said nothing for {patience:.0f} s.", fix="Ask again in a minute."
        ) from error
    except (openai.APIError, OSError) as error:
        raise EngineFailed(_in_words(error), fix="Ask again in a minute.") from error
    if not finished:
        raise EngineFailed("The engine broke off in the middle.", fix="Ask again in a minute.")


def _in_words(error: Exception) -> str:
    import openai

    if isinstance(error, openai.APIStatusError):
        return f"The engine refused the question ({error.status_code})."
    return "The engine does not answer."


@cache
def _client(url: str, patience: float) -> OpenAI:
    import httpx2
    from openai import OpenAI

    return OpenAI(
        base_url=f"{url}/v1",
        api_key="none",  # the engine listens on loopback only; the gateway checks keys
        timeout=httpx2.Timeout(patience, connect=5.0),
        max_retries=0,
    )
