"""An asynchronous iterator in; the same for whoever has no event loop, such as a thread that plays a person, out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import TypeVar

T = TypeVar("T")


def pulled(steps: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """Each step when it is asked for. Closing it closes what is pulled."""
    with asyncio.Runner() as runner:
        try:
            while True:
                yield runner.run(_next(steps))
        except StopAsyncIteration:
            return
        finally:
            runner.run(steps.aclose())


async def _next(steps: AsyncGenerator[T, None]) -> T:
    return await anext(steps)
