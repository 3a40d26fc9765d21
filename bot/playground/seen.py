"""A message in Slack's shape in; what a person makes of it (text, buttons, reactions) out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bot.playground.forms import interactive
from bot.playground.records import Json


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as a member sees it. `raw` is Slack's shape."""

    channel: str
    raw: Json

    @property
    def ts(self) -> str:
        return str(self.raw["ts"])

    @property
    def thread_ts(self) -> str | None:
        return self.raw.get("thread_ts")

    @property
    def user(self) -> str:
        return str(self.raw.get("user", ""))

    @property
    def text(self) -> str:
        return str(self.raw.get("text", ""))

    @property
    def blocks(self) -> list[Json]:
        return list(self.raw.get("blocks", []))

    @property
    def said(self) -> str:
        """Everything there is to read: the blocks' texts, or the text where there are no blocks."""
        texts = list(_texts(self.blocks))
        return "\n".join(texts) if texts else self.text

    @property
    def is_ephemeral(self) -> bool:
        return bool(self.raw.get("is_ephemeral"))

    @property
    def streaming(self) -> str | None:
        """in_progress, completed, errored, or None for a message that never was a stream."""
        return self.raw.get("streaming_state")

    @property
    def edited(self) -> bool:
        return "edited" in self.raw

    @property
    def reactions(self) -> dict[str, list[str]]:
        return {entry["name"]: entry["users"] for entry in self.raw.get("reactions", [])}

    @property
    def files(self) -> list[str]:
        """Ids of the files that it shares."""
        return [file["id"] for file in self.raw.get("files", [])]

    @property
    def actions(self) -> list[str]:
        """The action ids that can be pressed."""
        return [element["action_id"] for _, element in interactive(self.blocks)]

    def __str__(self) -> str:
        marks = [name for name, on in (("ephemeral", self.is_ephemeral),) if on]
        marks += [self.streaming] if self.streaming else []
        place = f" in {self.thread_ts}" if self.thread_ts not in (None, self.ts) else ""
        return f"{self.ts}{place} {self.user} {' '.join(marks)}: {self.said!r} {self.actions}"


def _texts(value: Any) -> Iterator[str]:
    """The texts inside blocks, in reading order."""
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        text = value.get("text")
        if isinstance(text, str):
            yield text
        if value.get("type") in ("task_card", "plan", "alert") and isinstance(
            value.get("title"), str
        ):
            yield value["title"]
        for name, item in value.items():
            if name != "text" or not isinstance(text, str):
                yield from _texts(item)
