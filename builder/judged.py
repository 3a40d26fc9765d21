"""Thumbs on answers in; what was asked and told, with whether it helped, as preference trainers read it, out.

The shape is that of unpaired preferences (`prompt`, `completion`, `label`), which Ethayarajh et al. learn
from ("KTO: Model Alignment as Prospect Theoretic Optimization", 2024).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from lorekeeper.domain import PUBLIC, Answer, Level
from lorekeeper.store import feedback, messages

_NUMBER = re.compile(r" ?\[\d+\](?!\()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An answer that a model wrote, and what people made of it."""

    question: str
    answer: str  # without the numbers, which are no words of the model's
    helpful: bool
    up: int
    down: int
    model: str
    conversation: str = ""  # "CHANNEL/ROOT_TS" where it was asked
    cited: tuple[int, ...] = ()  # ids of the approved pairs that its numbers open


def answers(db: Connection, train_on: Collection[str]) -> list[Judged]:
    """Answers with more thumbs of one kind than of the other, oldest first.

    Only those that were asked where everyone may read, and made from what everyone may see, or in and
    from channels in `train_on`: weights have no access control. Of somebody who asked to be forgotten, nothing is left to learn from.
    """
    open_to_learn = {PUBLIC, *train_on}
    places = {one.id for one in messages.all_channels(db) if one.scope in open_to_learn}
    return [
        Judged(
            question=answer.question,
            answer=without_numbers(answer.text),
            helpful=up > down,
            up=up,
            down=down,
            model=answer.model,
            conversation=f"{answer.channel}/{answer.thread_ts}",
            cited=tuple(one.pair_id for one in answer.citations if one.pair_id is not None),
        )
        for answer, up, down in feedback.judged(db)
        if up != down
        and answer.channel in places
        and set(answer.scopes) <= open_to_learn
        and _was_written(answer)
    ]


def line(one: Judged) -> dict[str, Any]:
    """One line of the file."""
    return {
        "prompt": [{"role": "user", "content": one.question}],
        "completion": [{"role": "assistant", "content": one.answer}],
        "label": one.helpful,
        "up": one.up,
        "down": one.down,
        "model": one.model,
    }


def without_numbers(answer: str) -> str:
    """What the model wrote: the numbers were given to it."""
    return _NUMBER.sub("", answer)


def _was_written(answer: Answer) -> bool:
    """By a model, for everyone in the thread to read, and who asked still wants to be known."""
    return (
        answer.level in {Level.TUNED, Level.BASE} and bool(answer.asker) and bool(answer.thread_ts)
    )
