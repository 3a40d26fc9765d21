"""A task and a text in; the answer of the adapter that does the task, out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from builder.scoring import load_judged
from builder.tasks.metrics import NONE, understood
from builder.tasks.prompts import messages
from builder.tasks.scoring import answers
from builder.tasks.spec import Task
from lorekeeper import models
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Adapter
from lorekeeper.errors import BadInput
from lorekeeper.settings import Settings

PATIENCE = 120.0  # seconds that an engine may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was answered, by what. `note` says where a label or a format was missed."""

    text: str
    by: str
    note: str = ""


def ask(settings: Settings, task: Task, adapter: Adapter | None, text: str) -> Told:
    """Ask the engine where it has the adapter loaded; else load the model here.

    Raises:
        BadInput: the text is empty.
    """
    if not text.strip():
        raise BadInput("There is nothing to answer.", fix="Give the text after the task's name.")
    by = adapter.name if adapter is not None else "base"
    told = _by_engine(settings, task, by, text) or _here(settings, task, adapter, text)
    if (task.is_labelled or task.format) and understood(task, told) == NONE:
        return Told(text=told, by=by, note="That is none of the labels, or not in the format.")
    return Told(text=understood(task, told) if task.is_labelled else told, by=by)


def _by_engine(settings: Settings, task: Task, model: str, text: str) -> str:
    """The engine's answer; "" where it does not run or has not this model."""
    from openai import APIConnectionError, APIStatusError, OpenAI

    at = settings.serving.engine_url or f"http://127.0.0.1:{settings.serving.engine_port}"
    engine = OpenAI(
        base_url=f"{at.rstrip('/')}/v1", api_key="none", max_retries=0, timeout=PATIENCE
    )
    asked: list[Any] = list(messages(task, text))
    try:
        said = engine.chat.completions.create(
            model=model,
            messages=asked,
            temperature=0,
            max_tokens=settings.serving.max_tokens,
        )
    except (APIConnectionError, APIStatusError):
        return ""
    finally:
        engine.close()
    return (said.choices[0].message.content or "").strip()


def _here(settings: Settings, task: Task, adapter: Adapter | None, text: str) -> str:
    spec = adapter.base_model if adapter is not None else models.base_spec(settings)
    base = models.get(spec, settings.store.data)
    folder = (
        ArtifactStore(settings.store.data).open(adapter.folder) if adapter is not None else None
    )
    judged = load_judged(base, folder, settings)
    return answers(judged, task, [messages(task, text)])[0]
