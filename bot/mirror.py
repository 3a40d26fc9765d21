"""What is said, edited and deleted in Slack in; the same in the store, redacted, with the pairs made of it kept true, out."""

from __future__ import annotations

from collections.abc import Iterable

from slack_sdk.errors import SlackApiError
from sqlalchemy import Connection

from bot import cards
from bot.desk import Desk, Json
from bot.threads import is_spoken, read
from lorekeeper.domain import Channel, Message, Pair, PairState
from lorekeeper.placeholders import placeholders_of
from lorekeeper.redact import redact
from lorekeeper.store import files, messages, pairs, people, reading

BY = "slack"  # who moves a pair when its source was edited or deleted


def keep(desk: Desk, channel: str, raw: Json) -> None:
    """Store what somebody said.

    An event may come late: what is stored already has been read since, perhaps with an edit, and stays.
    """
    with reading(desk.engine) as db:
        known = messages.get(db, channel, raw["ts"])
    if known is None:
        _store(desk, channel, raw)


def _store(desk: Desk, channel: str, raw: Json) -> Message | None:
    """None for what is not stored: direct messages, Slack's reports, and people who opted out."""
    if not is_spoken(raw):
        return None
    where = channel_of(desk, channel)
    if where.is_direct:
        return None
    with reading(desk.engine) as db:
        if people.has_opted_out(db, raw.get("user") or ""):
            return None
    with desk.engine.begin() as db:
        known = desk.placeholders.of(
            db, channel, root=raw.get("thread_ts") or raw["ts"], but_for=raw["ts"]
        )
        message, _ = read(desk.me, channel, raw, known)
        messages.put(db, message)
    return message


def change(desk: Desk, channel: str, raw: Json, before: Json) -> None:
    """A message was edited: store it, and look again at the pairs made of it.

    Slack reports unfurled links and new replies in the same way; only another text counts.
    """
    if raw.get("subtype") == "tombstone":
        forget(desk, channel, raw["ts"])
        return
    if raw.get("text") == before.get("text"):
        return
    message = _store(desk, channel, raw)
    if message is not None:
        _look_again(desk, message)


def pin(desk: Desk, channel: str, raw: Json, *, is_pinned: bool) -> None:
    """People pinned a message, or took that back; one that is not stored yet is stored first."""
    if is_pinned:
        keep(desk, channel, raw)
    with desk.engine.begin() as db:
        messages.pin(db, channel, raw["ts"], is_pinned=is_pinned)


def forget(desk: Desk, channel: str, ts: str) -> None:
    """A message was deleted: so is what was stored of it, and the pairs made of it, at once."""
    erase(desk, [(channel, ts)], by=BY, why="was deleted in Slack")


def erase(desk: Desk, places: Iterable[tuple[str, str]], *, by: str, why: str) -> list[Pair]:
    """Forget these messages (channel and `ts`), and the words of every pair that was made of them."""
    with desk.engine.begin() as db:
        gone = [
            pairs.erase(db, pair, by=by, reason=f"{_part(pair, ts)} {why}")
            for channel, ts in places
            for pair in _forgotten(db, channel, ts)
        ]
    for pair in gone:
        cards.refresh(desk, pair)
    return gone


def _forgotten(db: Connection, channel: str, ts: str) -> list[Pair]:
    """Those that still have words; withdrawn ones may."""
    messages.forget(db, channel, ts)
    return [pair for pair in pairs.made_of(db, channel=channel, ts=ts) if pair.answer]


def channel_of(desk: Desk, channel: str) -> Channel:
    """The channel as it is stored, or else as Slack describes it."""
    with reading(desk.engine) as db:
        known = messages.channel(db, channel)
    return known or describe(desk, channel)


def describe(desk: Desk, channel: str) -> Channel:
    """Ask Slack what the channel is called and who sees it, and store that."""
    raw: Json = desk.client.conversations_info(channel=channel)["channel"]
    return put_channel(desk, raw)


def describe_or_unknown(desk: Desk, channel: str) -> Channel:
    """A channel that the bot may not be in; what Slack won't tell about counts as private."""
    try:
        return channel_of(desk, channel)
    except SlackApiError:
        return Channel(id=channel, name=channel, is_private=True)


def put_channel(desk: Desk, raw: Json) -> Channel:
    described = Channel(
        id=raw["id"],
        name=raw.get("name") or raw["id"],
        is_private=bool(raw.get("is_private")),
        is_shared=any(raw.get(flag) for flag in ("is_ext_shared", "is_pending_ext_shared")),
        is_direct=bool(raw.get("is_im") or raw.get("is_mpim")),
    )
    with desk.engine.begin() as db:
        messages.put_channel(db, described)
    return described


def forget_channel(desk: Desk, channel: str) -> None:
    """The bot left, or the channel is gone: what was not saved by anybody goes with it."""
    with desk.engine.begin() as db:
        messages.remove_channel(db, channel)
        files.remove_channel(db, channel)


def _look_again(desk: Desk, message: Message) -> None:
    with desk.engine.begin() as db:
        touched = [
            _updated(db, pair, message)
            for pair in pairs.about(db, channel=message.channel, ts=message.ts)
            if pair.state in {PairState.CANDIDATE, PairState.APPROVED}
        ]
    for pair in touched:
        cards.refresh(desk, pair)


def _updated(db: Connection, pair: Pair, message: Message) -> Pair:
    """Back to review with the new words; words that a person chose stay, for a person to look at."""
    if pair.state is PairState.APPROVED:
        pair = pairs.move(
            db, pair, PairState.CANDIDATE, by=BY, reason="its source was edited in Slack"
        )
    is_answer = message.ts in pair.answer_parts
    parts = pair.answer_parts if is_answer else pair.question_parts
    said = _stored(db, pair.channel, parts)
    if len(said) < len(parts) or pairs.was_worded(db, pair.id, but_by=BY):
        return pair
    clean = redact("\n".join(one.text for one in said), placeholders_of(said))
    return pairs.edit(db, pair, by=BY, **{"answer" if is_answer else "question": clean.text})


def _stored(db: Connection, channel: str, parts: Iterable[str]) -> list[Message]:
    found = (messages.get(db, channel, ts) for ts in parts)
    return [message for message in found if message is not None]


def _part(pair: Pair, ts: str) -> str:
    return "the answer" if ts in pair.answer_parts else "the question"
