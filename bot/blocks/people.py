"""What was forgotten, or will not be kept, in; the words that say so out."""

from __future__ import annotations

from bot.blocks.text import Block, actions, button, section
from bot.forget import Forgotten


def forgotten(gone: Forgotten) -> str:
    """What is gone, and what cannot be taken back: a trained adapter keeps what it learned."""
    files = f", with {gone.files} files" if gone.files else ""
    told = (
        f":wastebasket: Forgotten: {gone.messages} messages and {gone.pairs} pairs{files}. Nothing of"
        " them is found or quoted any more, and the next dataset version is without them."
    )
    if gone.versions:
        told += f" Frozen versions that hold some of them: {', '.join(gone.versions)}."
    if gone.adapters:
        told += (
            f" Adapters trained on those: {', '.join(gone.adapters)}. Weights cannot forget;"
            " ask an admin to retrain and promote a new one."
        )
    return told


def opted_out(is_new: bool) -> list[Block]:
    """That nothing more is kept, with a button to forget what was."""
    told = (
        "From now on nothing that you write is stored, saved or learned from, whoever reacts to it."
        if is_new
        else "You had opted out already; nothing that you write is stored."
    )
    return [
        section(f":no_bell: {told}\nWhat was kept before stays, unless you say otherwise."),
        actions(
            button(
                "Forget what was kept",
                "people_forget",
                "me",
                style="danger",
                confirm="Everything that was kept of what you wrote is deleted.",
            )
        ),
    ]
