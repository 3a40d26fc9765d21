"""A question in its turn in; the assistant's steps, stored and counted, out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Engine

from lorekeeper.domain import Answer
from lorekeeper.store import answers
from serving.assistant import Asked, Assistant, Step
from serving.chat import Spent
from serving.metrics import Metrics
from serving.queue import Queue

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where questions are taken: one queue before one assistant, for every door."""

    assistant: Assistant
    database: Engine
    queue: Queue
    metrics: Metrics = field(default_factory=Metrics)

    async def answer(
        self, asked: Asked, *, lane: str, person: str, pace: float = 0.0
    ) -> AsyncGenerator[Step, None]:
        """Wait for the turn, then answer. `pace`: seconds between pieces of text.

        Raises:
            QueueFull: nothing was asked.
        """
        began = time.monotonic()
        with self.queue.join(lane, person) as ticket:
            async with aclosing(ticket.wait()) as places:
                async for before in places:
                    yield Step(status="waiting", before=before)
            self.metrics.waited.observe(time.monotonic() - began)
            async with aclosing(_paced(self._kept(asked, began), pace)) as steps:
                async for step in steps:
                    yield step

    async def _kept(self, asked: Asked, began: float) -> AsyncGenerator[Step, None]:
        """Store the answer before its last step is passed on; count it."""
        has_text = False
        async with aclosing(self.assistant.answer(asked)) as steps:
            async for step in steps:
                if step.text and not has_text:
                    has_text = True
                    self.metrics.first_text.observe(time.monotonic() - began)
                if step.answer is not None:
                    await asyncio.to_thread(self._store, step.answer)
                    self._count(asked, step, time.monotonic() - began)
                yield step

    def _store(self, answer: Answer) -> None:
        with self.database.begin() as db:
            answers.add(db, answer)

    def _count(self, asked: Asked, step: Step, seconds: float) -> None:
        assert step.answer is not None
        self.metrics.answers.labels(step.answer.level.value).inc()
        self.count_tokens(asked.spent)
        log.info(
            "answered",
            request=asked.request_id,
            answer=step.answer.id,
            answer_level=step.answer.level.value,  # `level` is the log line's own
            model=step.answer.model,
            tokens=asked.spent.completion,
            seconds=round(seconds, 2),
        )

    def count_tokens(self, spent: Spent) -> None:
        self.metrics.tokens.labels("prompt").inc(spent.prompt)
        self.metrics.tokens.labels("completion").inc(spent.completion)


async def _paced(steps: AsyncGenerator[Step, None], pace: float) -> AsyncGenerator[Step, None]:
    """The first words at once, the next ones together: who shows them once a second needs no single words."""
    told_at, held = float("-inf"), ""
    async with aclosing(steps):
        async for step in steps:
            if step.text and not step.status and step.answer is None:
                held += step.text
                if time.monotonic() - told_at < pace:
                    continue
                step, held, told_at = Step(text=held), "", time.monotonic()
            elif held:
                yield Step(text=held)
                held = ""
            yield step
    if held:
        yield Step(text=held)
