"""What somebody is about to decide about what is served in; the modal that asks why out."""

from __future__ import annotations

from bot.blocks.modals import modal, text_input
from bot.blocks.text import Block, context, escaped, section
from lorekeeper.domain import Adapter


def overrule(adapter: Adapter) -> Block:
    """The gate did not promote it: what it said, and why somebody knows better."""
    reasons = "\n".join(f"• {escaped(reason, 400)}" for reason in adapter.verdict.reasons[:6])
    said = escaped(adapter.verdict.outcome.value, 40)
    return modal(
        f"Promote {adapter.name}?",
        [
            section(f"The gate said *{said}*:\n{reasons}"),
            text_input("why", "Why is it right to serve it all the same?", ""),
            context(f"It is recorded with your name, and {adapter.name} answers everyone."),
        ],
        callback="overrule",
        submit="Promote",
        about={"adapter": adapter.name},
    )


def roll_back() -> Block:
    return modal(
        "Roll back?",
        [
            section("What was served before will answer again."),
            text_input("why", "Why?", "", optional=True),
            context("It is recorded with your name."),
        ],
        callback="roll_back",
        submit="Roll back",
    )
