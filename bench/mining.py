"""A Slack export and a list of which messages belong together in; how truly question–answer pairs are mined out.

GOLD is a CSV `ts,conversation_id`. A pair is right when its question and its answer are in one gold
conversation. Recall is over the gold conversations that open with a question and hold a message of
another person: those that give a right pair. A conversation opens with a question when the first
messages of its first speaker hold a question mark outside code and links, or one of them begins with a
question word; that definition knows nothing of the miner. Beside it stands what needs no miner: the next
message of somebody else after each message that asks. How the channel is parted into conversations is
measured on the same messages, beside cutting it at every pause of 15 minutes. The last line is one JSON object.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lorekeeper.domain import Message
from lorekeeper.questions import SURE, Found, asks, conversations, mine, question_for
from lorekeeper.redact import redact
from lorekeeper.slack_export import open_export
from lorekeeper.text import mrkdwn_to_markdown

BANDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
PAUSE = 15 * 60.0  # seconds
CONTEXT = 30  # messages before an answer, as where a person reacts to it
_ASIDE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|\]\([^)]*\)", re.DOTALL)
_QUESTION_WORD = re.compile(
    r"^\W*(?:<@\w+>\W*)*(?:how|what|why|when|where|which|who|whose|is|are|am|was|were|do|does|did|can|"
    r"could|should|would|will|has|have|any|anyone|anybody)\b",
    re.IGNORECASE,
)

Gold = dict[str, str]


def main(
    export: Annotated[Path, typer.Argument(help="A Slack export.", exists=True)],
    gold: Annotated[Path, typer.Argument(help="CSV: ts,conversation_id", exists=True)],
    full: Annotated[bool, typer.Option(help="The same: it takes seconds.")] = False,
) -> None:
    """Measure precision and recall of mining, and the baseline."""
    known = gold_of(gold)
    said = [message for message in messages(export) if message.ts in known]
    together = _conversations(said, known)
    found = mine(said)
    sure = [pair for pair in found if pair.confidence >= SURE]
    middle = said[len(said) // 2].at
    halves = {
        "first half": _figures(sure, together, known, until=middle),
        "second half": _figures(sure, together, known, since=middle),
    }
    figures: dict[str, object] = {
        "messages": len(said),
        "conversations": len(together),
        **_figures(sure, together, known),
        "baseline_precision": round(_share(_next_by_someone_else(said), known), 3),
        "halves": halves,
        "precision_by_confidence": _by_confidence(found, known),
        "question_for_agrees": round(_agreement(said, sure, known), 3),
        "parted": _truth(conversations(said), known),
        "parted_by_pauses": _truth(_stretches(said), known),
    }
    _show(figures)
    print(json.dumps(figures))


def _figures(
    sure: Sequence[Found],
    together: dict[str, list[Message]],
    known: Gold,
    *,
    since: float = 0.0,
    until: float = float("inf"),
) -> dict[str, float]:
    here = [pair for pair in sure if since <= pair.question.at < until]
    right = {known[p.question.ts] for p in here if known[p.question.ts] == known[p.answer.ts]}
    wanted = {
        name
        for name, said in together.items()
        if since <= said[0].at < until and opens_with_a_question(said)
    }
    return {
        "pairs": len(here),
        "precision": round(_share([(p.question, p.answer) for p in here], known), 3),
        "asking_conversations": len(wanted),
        "recall": round(len(right & wanted) / max(1, len(wanted)), 3),
    }


def _share(pairs: Iterable[tuple[Message, Message]], known: Gold) -> float:
    """The share of pairs whose messages are in one conversation."""
    right = [known[question.ts] == known[answer.ts] for question, answer in pairs]
    return sum(right) / max(1, len(right))


def _next_by_someone_else(said: Sequence[Message]) -> list[tuple[Message, Message]]:
    return [
        (message, following)
        for at, message in enumerate(said)
        if asks(message.text)
        for following in [next((m for m in said[at + 1 :] if m.author != message.author), None)]
        if following is not None
    ]


def opens_with_a_question(said: Sequence[Message]) -> bool:
    """Whether the first speaker's first messages ask, and somebody else speaks after them."""
    first = list(takewhile(lambda message: message.author == said[0].author, said))
    plain = [_ASIDE.sub(" ", message.text) for message in first]
    asked = any("?" in text or _QUESTION_WORD.search(text) for text in plain)
    return asked and len(first) < len(said)


def _by_confidence(found: Sequence[Found], known: Gold) -> dict[str, list[float]]:
    """For each band of confidence: how many pairs, and the share that is right."""
    bands: dict[str, list[float]] = {}
    for low, high in pairwise(BANDS):
        inside = [(p.question, p.answer) for p in found if low <= p.confidence < high]
        bands[f"{low}-{high}"] = [len(inside), round(_share(inside, known), 3)]
    return bands


def _agreement(said: Sequence[Message], sure: Sequence[Found], known: Gold) -> float:
    """Of the mined answers: how often the question that a reaction would find is of the same conversation."""
    place = {message.ts: at for at, message in enumerate(said)}
    right = 0
    for pair in sure:
        at = place[pair.answer.ts]
        asked = question_for(said[at], said[max(0, at - CONTEXT) : at])
        right += asked is not None and known[asked.ts] == known[pair.answer.ts]
    return right / max(1, len(sure))


def _truth(parted: Iterable[Sequence[Message]], known: Gold) -> dict[str, float]:
    """How truly a channel is parted into conversations: B-cubed (Bagga and Baldwin 1998), message by message."""
    parts = [Counter(known[message.ts] for message in part) for part in parted]
    whole = sum(parts, Counter[str]())
    count = whole.total()
    precision = sum(n * n / part.total() for part in parts for n in part.values()) / count
    recall = sum(n * n / whole[name] for part in parts for name, n in part.items()) / count
    f1 = 2 * precision * recall / (precision + recall)
    return {
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "f1": round(f1, 3),
        "conversations": len(parts),
    }


def _stretches(said: Sequence[Message]) -> Iterable[list[Message]]:
    """What needs no parting: the channel, cut where nobody spoke for a while."""
    together: list[Message] = []
    for message in said:
        if together and message.at - together[-1].at > PAUSE:
            yield together
            together = []
        together.append(message)
    if together:
        yield together


def messages(export: Path) -> list[Message]:
    """What people said, as an import stores it, by time."""
    opened = open_export(export)
    said = [
        Message(
            channel=channel.id,
            ts=message.ts,
            author=message.user,
            text=redact(mrkdwn_to_markdown(message.text), people=False).text,
            thread_ts=message.thread_ts,
        )
        for channel in opened.channels
        for message in opened.messages(channel)
        if message.user and not message.is_bot
    ]
    return sorted(said, key=lambda message: message.at)


def gold_of(path: Path) -> Gold:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["ts"]: row["conversation_id"] for row in csv.DictReader(file)}


def _conversations(said: Sequence[Message], known: Gold) -> dict[str, list[Message]]:
    conversations: defaultdict[str, list[Message]] = defaultdict(list)
    for message in said:
        conversations[known[message.ts]].append(message)
    return conversations


def _show(figures: dict[str, object]) -> None:
    table = Table("", "Value", title="Mining")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console(stderr=True, highlight=False).print(table)


if __name__ == "__main__":
    typer.run(main)
