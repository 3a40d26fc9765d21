"""Any Slack export in; the script of what its members would do, found in what they really said, out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from bot.demo.script import Correction, Reaction, Script
from lorekeeper.domain import Message
from lorekeeper.errors import BadInput
from lorekeeper.questions import SURE, Found, mine
from lorekeeper.slack_export import Export, ExportChannel
from lorekeeper.text import mrkdwn_to_markdown, words

SHORTEST, LONGEST = 8, 90  # words of a question or an answer that a CPU can learn in a demo
FEWEST = 30  # answered questions; with fewer there is nothing to judge an adapter with
SHOWN = 3  # questions asked before and after
SHOWABLE = 12  # words of a question that is shown


def script(export: Export, *, most: int) -> Script:
    """React to the surest answers of the busiest public channel, at most `most` of them.

    Raises:
        BadInput: no public channel holds enough questions with answers.
    """
    channel, messages = _busiest(export)
    found = [pair for pair in mine(messages) if pair.confidence >= SURE and _teaches(pair)]
    if len(found) < FEWEST:
        raise BadInput(
            f"#{channel.name} holds {len(found)} questions with clear answers; the demo needs {FEWEST}.",
            fix="Export a longer time, or a channel where people ask more.",
        )
    surest = _one_for_each_answer(
        sorted(found, key=lambda pair: (-pair.confidence, pair.question.ts))
    )
    shown = [pair for pair in surest if _stands_alone(pair)][: SHOWN + 1]
    if len(shown) <= SHOWN:
        raise BadInput(
            f"Only {len(shown)} of #{channel.name}'s questions can be understood alone; the demo asks {SHOWN + 1}.",
            fix="Export a longer time, or a channel where people ask more.",
        )
    kept = [pair for pair in surest if pair not in shown][:most]
    asker = shown[0].question.author
    return Script(
        channel=channel.id,
        reactions=tuple(
            Reaction(channel=channel.id, ts=pair.answer.ts, user=pair.question.author)
            for pair in kept
        ),
        asker=asker,
        reviewer=_most_helpful(pair for pair in kept if pair.answer.author != asker),
        questions=tuple(pair.question.text for pair in shown[:SHOWN]),
        correction=Correction(question=shown[-1].question.text, answer=shown[-1].answer.text),
    )


def _busiest(export: Export) -> tuple[ExportChannel, list[Message]]:
    public = [channel for channel in export.channels if not channel.is_private]
    if not public:
        raise BadInput(
            "The export has no public channel.", fix="The demo asks and answers in a public one."
        )
    read = [(channel, list(_messages(export, channel))) for channel in public]
    return max(read, key=lambda pair: len(pair[1]))


def _messages(export: Export, channel: ExportChannel) -> Iterable[Message]:
    for message in export.messages(channel):
        if message.user and not message.is_bot:
            yield Message(
                channel=channel.id,
                ts=message.ts,
                author=message.user,
                text=mrkdwn_to_markdown(message.text),
                thread_ts=message.thread_ts,
            )


def _teaches(pair: Found) -> bool:
    sizes = (len(words(pair.question.text)), len(words(pair.answer.text)))
    return all(SHORTEST <= size <= LONGEST for size in sizes)


def _one_for_each_answer(found: Iterable[Found]) -> list[Found]:
    """One message may seem to answer two questions; the surer one keeps it."""
    kept: dict[str, Found] = {}
    for pair in found:
        kept.setdefault(pair.answer.ts, pair)
    return list(kept.values())


def _stands_alone(pair: Found) -> bool:
    """Whether a newcomer would understand the question: it names nobody and is not a half sentence."""
    question = pair.question.text
    return "<@" not in question and question[0].isupper() and len(words(question)) >= SHOWABLE


def _most_helpful(pairs: Iterable[Found]) -> str:
    """Who answered most reviews; ties go by a hash, so that the choice is the same every time."""
    answered = Counter(pair.answer.author for pair in pairs)
    return max(answered, key=lambda who: (answered[who], hashlib.sha256(who.encode()).digest()))
