"""A task and an input in; the chat messages that every model is given for it, in training and after, out."""

from __future__ import annotations

from collections.abc import Sequence

from builder.tasks.spec import Task
from lorekeeper import prompt
from lorekeeper.prompt import Turn, as_text


def messages(task: Task, text: str, *, examples: Sequence[tuple[str, str]] = ()) -> list[Turn]:
    """The conversation up to the answer; `examples` are inputs with their outputs, shown as earlier turns.

    A task without an instruction asks as people ask the assistant.
    """
    asked = prompt.messages(text, examples=examples)
    if task.instruction:
        asked[0] = {"role": "system", "content": as_text(_instruction(task))}
    return asked


def _instruction(task: Task) -> str:
    if not task.labels:
        return task.instruction
    return f"{task.instruction} The labels are: {', '.join(task.labels)}."
