"""The candidates that wait in; the digest in the review channel out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.alike import Alike
from bot.blocks import pairs as shown
from bot.blocks.dataset import place
from bot.blocks.text import Block, context, divider, header, section
from lorekeeper.domain import Pair

CHANNELS = 5  # listed


def digest(
    first: Sequence[Pair],
    alike: Mapping[int, Sequence[Alike]],
    by_channel: Mapping[str, int],
    by_origin: Mapping[str, int],
    oldest: float,
) -> list[Block]:
    """How many wait, from where, and the first of them with their buttons; at most 50 blocks."""
    waiting = sum(by_channel.values())
    if not waiting:
        return [section(":tada: Nothing waits for review.")]
    cards = [block for pair in first for block in [*shown.brief(pair, alike[pair.id]), divider()]]
    more = waiting - len(first)
    return [
        header(f"{waiting} {'answer waits' if waiting == 1 else 'answers wait'} for review"),
        context(
            _listed({place(channel): count for channel, count in by_channel.items()}),
            _listed(by_origin),
            f"the oldest since <!date^{int(oldest)}^{{date_short_pretty}}|a while>",
        ),
        divider(),
        *cards,
        context(f"{more} more wait behind these; my Home shows all." if more else "That is all."),
    ]


def outdated() -> list[Block]:
    return [context("A newer digest is below.")]


def _listed(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda item: -item[1])[:CHANNELS]
    return " · ".join(f"{name} {count}" for name, count in most)
