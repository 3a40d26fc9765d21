"""Counts of pairs and a preview of the next version in; the message about the dataset out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from bot.blocks.text import Block, actions, button, context, divider, escaped, header, section
from builder.freeze import Preview
from lorekeeper.domain import PairState
from lorekeeper.store.pairs import Standing

SAID = {
    PairState.APPROVED: "approved",
    PairState.CANDIDATE: "waiting",
    PairState.REJECTED: "rejected",
    PairState.RETIRED: "withdrawn",
}
CHANNELS = 10
TAGS = 12
DAY = 86400.0
SHOWN = 3  # new pairs named


def standing(
    counted: Sequence[Standing],
    tags: Mapping[str, int],
    thumbs: tuple[int, int],
    next_version: Preview,
) -> list[Block]:
    """Where the dataset stands, in one message."""
    states = Counter[PairState]()
    for one in counted:
        states[one.state] += one.count
    told = " · ".join(f"*{states[state]}* {name}" for state, name in SAID.items())
    return [
        header("The dataset"),
        section(f"{told}\n:thumbsup: {thumbs[0]}  :thumbsdown: {thumbs[1]}"),
        *_by_channel(counted),
        context(_ages(counted), _tags(tags)),
        divider(),
        *_next(next_version),
        actions(button("Quality report", "dataset_report", "next")),
    ]


def _by_channel(counted: Sequence[Standing]) -> list[Block]:
    places: dict[str, Counter[PairState]] = {}
    for one in counted:
        places.setdefault(one.channel, Counter())[one.state] += one.count
    if not places:
        return []
    most = sorted(places.items(), key=lambda item: -item[1].total())[:CHANNELS]
    lines = [
        f"• {place(channel)}: {', '.join(f'{states[state]} {name}' for state, name in SAID.items())}"
        for channel, states in most
    ]
    more = len(places) - len(most)
    return [section("\n".join([*lines, *([f"• {more} more channels"] if more else [])]))]


def place(channel: str) -> str:
    """A Slack channel as a link to it; what was imported from a file has none."""
    return f"<#{channel}>" if channel.isupper() else escaped(channel, 40)


def _ages(counted: Sequence[Standing]) -> str:
    waiting = [one.oldest for one in counted if one.state is PairState.CANDIDATE]
    if not waiting:
        return "Nothing waits for review."
    days = int((time.time() - min(waiting)) / DAY)
    since = f"for {days} {'day' if days == 1 else 'days'}" if days > 0 else "since today"
    return f"The oldest candidate waits {since}."


def _tags(tags: Mapping[str, int]) -> str:
    most = sorted(tags.items(), key=lambda item: -item[1])[:TAGS]
    return "Tags: " + (", ".join(f"{escaped(tag, 40)} {count}" for tag, count in most) or "none")


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count} pairs"


def _next(next_version: Preview) -> list[Block]:
    since = next_version.since
    latest = next_version.latest
    changed = (
        f"{len(since.added)} new, {len(since.gone)} gone, {len(since.reworded)} reworded"
        if since
        else "nothing changed"
    )
    compared = (
        f"Since `{latest.name}`: {changed}." if latest is not None else "It would be the first."
    )
    private = (
        f" {next_version.private} more are private and not trained on."
        if next_version.private
        else ""
    )
    told = (
        f"*The next version* would hold {_pairs(next_version.train)} to train on and"
        f" {next_version.heldout} held out. {compared}{private}"
    )
    if next_version.refusal:
        told += f"\n:warning: It cannot be frozen yet: {escaped(next_version.refusal, 500)}"
    news = [f"• {escaped(row.question, 150)}" for row in since.added[-SHOWN:]]
    return [section("\n".join([told, *news]))]
