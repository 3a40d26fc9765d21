"""What the members of a workspace do in the demo: taken from the bundled workspace, or found in an export."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """A member vouches for a good answer."""

    channel: str  # id
    ts: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A question whose answer is thumbed down, and the better answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Who does what. Every user is an id of the export."""

    channel: str  # where people ask
    reactions: tuple[Reaction, ...]
    asker: str
    reviewer: str  # approves, retrains, promotes
    questions: tuple[str, ...]  # asked before and after the retrain
    correction: Correction
