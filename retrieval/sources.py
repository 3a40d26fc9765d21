"""The database and the configured documents in; every passage that may be quoted to someone, out."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from sqlalchemy import Connection

from lorekeeper.domain import PUBLIC, Channel, Message, Pair, PairState, Passage, PassageKind
from lorekeeper.links import permalink
from lorekeeper.settings import Settings
from lorekeeper.store import events, messages, pairs
from retrieval import chunks, documents
from retrieval.embed import Embedder

PAUSE = 15 * 60.0  # seconds of silence that end a conversation in a channel without threads
LONGEST_TITLE = 100  # characters

log = logging.getLogger(__name__)


def collect(db: Connection, settings: Settings, embedder: Embedder) -> Iterator[Passage]:
    """Approved pairs, then what people said, then documents. No passage is over the token limit."""
    yield from from_slack(db, settings, embedder)
    yield from from_documents(settings, embedder)


def from_slack(db: Connection, settings: Settings, embedder: Embedder) -> Iterator[Passage]:
    """Approved pairs, and the conversations of stored messages without what the pairs hold already."""
    cut = _Cut(limit=_limit(settings, embedder), embedder=embedder)
    channels = {channel.id: channel for channel in messages.all_channels(db)}
    approved = pairs.in_state(db, PairState.APPROVED)
    for pair in approved:
        yield from _of_pair(pair, scope_of(pair, channels), cut)
    in_pairs = {name for pair in approved for name in _names(pair)}
    answered = messages.answered_by_apps(db) | events.questions(db)
    for channel_id, said in groupby(messages.every(db), key=lambda message: message.channel):
        channel = channels.get(channel_id)
        for talk in _talks(list(said), answered):
            yield from _of_talk(talk, in_pairs, channel, cut)


def from_documents(settings: Settings, embedder: Embedder) -> Iterator[Passage]:
    """The configured documents, for everyone. What cannot be read is logged by name, with the reason."""
    limit = _limit(settings, embedder)
    for source in settings.retrieval.documents:
        reading = documents.read(source)
        for left_out in reading.left_out:
            log.warning("left out %s: it %s", left_out.name, left_out.reason)
        for page in reading.documents:
            for chunk in chunks.document(
                page.text, title=page.title, limit=limit, count=embedder.count_tokens
            ):
                yield passage(
                    kind=PassageKind.DOCUMENT,
                    text=chunk.text,
                    title=chunk.title or page.title,
                    url=_at_heading(page.url, chunk.anchor),
                    at=page.at,
                )


def passage(
    *,
    kind: PassageKind,
    text: str,
    title: str,
    url: str,
    scope: str = PUBLIC,
    author: str = "",
    at: float = 0.0,
    conversation: str = "",
    said: tuple[str, ...] = (),
    pair_id: int | None = None,
) -> Passage:
    """A passage under an id that stays the same for as long as nothing about its text or place does."""
    identity = "\0".join((kind, url, scope, conversation, text))
    return Passage(
        id=hashlib.sha256(identity.encode()).hexdigest()[:32],
        text=text,
        title=title,
        kind=kind,
        url=url,
        scope=scope,
        author=author,
        at=at,
        conversation=conversation,
        messages=said,
        pair_id=pair_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    limit: int
    embedder: Embedder

    def __call__(self, question: str, turns: list[chunks.Turn]) -> list[chunks.Talk]:
        return chunks.conversation(
            question, turns, limit=self.limit, count=self.embedder.count_tokens
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Conversation:
    """A thread with its root as the question, or a stretch of a channel without threads."""

    name: str  # "CHANNEL/TS of its first message"
    question: Message | None
    said: tuple[Message, ...]


def _limit(settings: Settings, embedder: Embedder) -> int:
    return min(settings.retrieval.chunk_tokens, embedder.window)


def scope_of(pair: Pair, channels: Mapping[str, Channel]) -> str:
    """A channel that was made private since takes its pairs along; the other way it does not."""
    channel = channels.get(pair.channel)
    return channel.scope if channel is not None and pair.scope == PUBLIC else pair.scope


def _names(pair: Pair) -> tuple[str, ...]:
    return tuple(f"{pair.channel}/{ts}" for ts in (*pair.answer_parts, *pair.question_parts))


def _of_pair(pair: Pair, scope: str, cut: _Cut) -> Iterator[Passage]:
    answer = chunks.Turn(key="answer", text=pair.answer)
    asked = "\n".join((pair.question, *pair.also_asked))
    for part in cut(asked, [answer]):
        yield passage(
            kind=PassageKind.PAIR,
            text=part.text,
            title=_title(pair.question),
            url=pair.source,
            scope=scope,
            author=pair.authors[-1] if pair.authors else "",
            at=pair.decided_at or pair.captured_at,
            conversation=pair.conversation,
            said=_names(pair),
            pair_id=pair.id,
        )


def _talks(said: list[Message], answered: set[tuple[str, str]]) -> Iterator[_Conversation]:
    """One channel's messages, oldest first: its threads, then its stretches outside threads."""
    threads = dict[str, list[Message]]()
    for message in said:
        threads.setdefault(message.root, []).append(message)
    loose = list[Message]()
    for root, together in threads.items():
        first = together[0] if together[0].ts == root else None
        if first is None or len(together) > 1:
            replies = tuple(together if first is None else together[1:])
            name = f"{together[0].channel}/{root}"
            yield _Conversation(name=name, question=first, said=replies)
        elif (first.channel, root) not in answered:  # a question that only an app answered
            loose.append(first)
    yield from _stretches(sorted(loose, key=lambda message: message.at))


def _stretches(loose: list[Message]) -> Iterator[_Conversation]:
    together = list[Message]()
    for message in loose:
        if together and message.at - together[-1].at > PAUSE:
            yield _stretch(together)
            together = []
        together.append(message)
    if together:
        yield _stretch(together)


def _stretch(together: list[Message]) -> _Conversation:
    first = together[0]
    return _Conversation(name=f"{first.channel}/{first.ts}", question=None, said=tuple(together))


def _of_talk(
    talk: _Conversation, in_pairs: set[str], channel: Channel | None, cut: _Cut
) -> Iterator[Passage]:
    """Its parts. What an approved pair holds is not said twice; a question alone is no knowledge."""
    left = {_name(message): message for message in talk.said if _name(message) not in in_pairs}
    turns = [chunks.Turn(key=key, text=message.text) for key, message in left.items()]
    if not any(turn.text.strip() for turn in turns):
        return
    asked = talk.question.text if talk.question else ""
    for part in cut(asked, turns):
        said = [left[key] for key in part.keys] or [talk.question or talk.said[0]]
        quoted = (talk.question, *said) if talk.question else tuple(said)
        channel_id = said[0].channel
        yield passage(
            kind=PassageKind.THREAD,
            text=part.text,
            title=_title(asked) or _when(said[0], channel),
            url=said[0].permalink or permalink("", channel_id, said[0].ts),
            scope=channel.scope if channel else channel_id,
            author=said[0].author,
            at=said[-1].at,
            conversation=talk.name,
            said=tuple(dict.fromkeys(_name(message) for message in quoted)),
        )


def _name(message: Message) -> str:
    return f"{message.channel}/{message.ts}"


def _when(message: Message, channel: Channel | None) -> str:
    day = datetime.fromtimestamp(message.at, UTC)
    return f"#{channel.name if channel else message.channel}, {day.day} {day:%B %Y}"


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TITLE else line[: LONGEST_TITLE - 1].rstrip() + "…"


def _at_heading(url: str, anchor: str) -> str:
    return f"{url}#{anchor}" if anchor and "#" not in url else url


def left_out(sources: Iterable[str]) -> list[documents.LeftOut]:
    """Files among the configured documents that cannot be read, with the reason."""
    return [each for source in sources for each in documents.read(source).left_out]
