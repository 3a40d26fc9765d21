"""Somebody who opens the bot's messages in; questions that their team really asks, and that it can answer, out."""

from __future__ import annotations

import time

from slack_sdk.errors import SlackApiError

from bot import mirror
from bot.desk import Desk
from lorekeeper.domain import PUBLIC, Answer, Channel, Level, PairState, public_of
from lorekeeper.similar import alike_groups
from lorekeeper.store import answers, feedback, messages, pairs, reading
from lorekeeper.text import shorten

SHOWN = 4  # Slack takes no more
RECENT = 30 * 24 * 3600.0  # seconds
TITLE = 75  # characters

ALWAYS = ("What can you do?", "How do I save a good answer?")


def suggest(desk: Desk, user: str, channel: str, *, looking_at: str | None = None) -> None:
    """Set the prompts in the person's messages with the bot; those of the channel that they look at
    come first."""
    desk.client.assistant_threads_setSuggestedPrompts(
        channel_id=channel,
        prompts=[
            {"title": shorten(question, TITLE), "message": question}
            for question in for_person(desk, user, channel, looking_at=looking_at)
        ],
    )


def for_person(desk: Desk, user: str, channel: str, *, looking_at: str | None = None) -> list[str]:
    """Questions that the person could have read: asked openly, lately and answered well, most asked
    first; then those of approved pairs."""
    scopes = desk.access.scopes_for(mirror.describe_or_unknown(desk, channel), user, alone=True)
    since = time.time() - RECENT
    with reading(desk.engine) as db:
        channels = {one.id: one for one in messages.all_channels(db)}
        disliked = feedback.disliked_since(db, since)
        asked = [
            answer
            for answer in answers.asked_since(db, since)
            if _was_open_to(answer, channels, scopes)
            and _was_good(answer)
            and answer.id not in disliked
        ]
        saved = [
            pair.question
            for pair in reversed(pairs.in_state(db, PairState.APPROVED))
            if pair.scope in scopes or (public_of(pair.channel) in scopes and pair.scope == PUBLIC)
        ]
    asked.sort(key=lambda answer: answer.channel != looking_at)
    groups = alike_groups([answer.question for answer in asked])
    often = [
        asked[group[0]].question
        for group in groups
        if len(group) > 1 or asked[group[0]].channel == looking_at
    ]
    known = [" ".join(question.split()) for question in (*often, *saved[: 2 * SHOWN])]
    return list(dict.fromkeys((*known[: SHOWN - 1], *ALWAYS)))[:SHOWN]


def looked_at(desk: Desk, event: dict[str, object]) -> str | None:
    """The channel that an `app_context_changed` event names, if the bot knows it."""
    context = event.get("context")
    entities = context.get("entities", []) if isinstance(context, dict) else []
    found = next(
        (
            str(one.get("value", ""))
            for one in entities
            if str(one.get("type", "")).endswith("/channel_id")
        ),
        None,
    )
    if not found:
        return None
    try:
        return mirror.channel_of(desk, found).id
    except SlackApiError:
        return None


def _was_open_to(answer: Answer, channels: dict[str, Channel], scopes: frozenset[str]) -> bool:
    """Asked in a thread of a channel that they may read, and answered from what they may see."""
    where = channels.get(answer.channel)
    if where is None or answer.thread_ts is None or where.is_direct:
        return False
    read = {where.scope, public_of(where.id) if where.scope == PUBLIC else where.id}
    made_from = set(answer.scopes) <= scopes or (
        set(answer.scopes) <= {PUBLIC} and public_of(where.id) in scopes
    )
    return bool(read & scopes) and made_from


def _was_good(answer: Answer) -> bool:
    return answer.level in {Level.TUNED, Level.BASE} and any(
        f"[{citation.number}]" in answer.text for citation in answer.citations
    )
