"""A week's questions in; the digest of them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.blocks.dataset import place
from bot.blocks.text import Block, context, header, link, section, shorten
from lorekeeper.domain import Answer
from lorekeeper.links import permalink

if TYPE_CHECKING:
    from bot.weekly import Week

SHOWN = 8  # lines of a list
LINE = 220  # characters


def digest(week: Week, url: str) -> list[Block]:
    """What was asked, what nobody could be told, what is asked again and again, what was put right."""
    up, down = week.thumbs
    open_gaps = sum(map(len, week.gaps))
    return [
        header("This week's questions"),
        section(
            f"*{week.asked}* asked · *{week.helped}* answered with sources ·"
            f" *{open_gaps}* open ones without a good answer      :thumbsup: {up}  :thumbsdown: {down}"
        ),
        *_list("What the team does not know yet", week.gaps, url),
        *_list("Asked again and again", week.often, url),
        *_list("Put right by somebody", [(answer,) for answer in week.corrected], url),
        context(
            "Answer one in its thread and save the answer: the next one who asks gets it."
            " Private questions are counted, never shown."
        ),
    ]


def _list(title: str, groups: Sequence[Sequence[Answer]], url: str) -> list[Block]:
    if not groups:
        return []
    lines = [_line(group, url) for group in groups[:SHOWN]]
    more = len(groups) - SHOWN
    if more > 0:
        lines.append(f"… and {more} more")
    return [section(shorten(f"*{title}*\n" + "\n".join(lines), 3000))]


def _line(group: Sequence[Answer], url: str) -> str:
    answer = group[0]
    asked = link(
        permalink(url, answer.channel, answer.thread_ts or "", None), answer.question, limit=LINE
    )
    often = f" _{len(group)} times_" if len(group) > 1 else ""
    return f"• {asked}{often} · {place(answer.channel)}"
