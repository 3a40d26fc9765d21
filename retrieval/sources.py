"""The database and the configured documents in; every passage that may be quoted to someone, out."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from sqlalchemy import Connection

from lorekeeper.domain import (
    PUBLIC,
    Channel,
    Message,
    Pair,
    PairState,
    Passage,
    PassageKind,
    SharedFile,
)
from lorekeeper.links import permalink
from lorekeeper.questions import LULL, asks, conversations
from lorekeeper.settings import Settings
from lorekeeper.store import events, files, messages, pairs
from retrieval import chunks, documents
from retrieval.embed import Embedder
from retrieval.legible import legible

PAUSE = LULL  # seconds of silence in a channel over which no conversation reaches
LONGEST_TITLE = 100  # characters

log = logging.getLogger(__name__)


def collect(db: Connection, settings: Settings, embedder: Embedder) -> Iterator[Passage]:
    """Approved pairs, then what people said, then documents. No passage is over the token limit."""
    yield from from_slack(db, settings, embedder)
    yield from from_documents(settings, embedder)


def from_slack(db: Connection, settings: Settings, embedder: Embedder) -> Iterator[Passage]:
    """Approved pairs, the conversations of stored messages without what the pairs hold already, and files."""
    cut = cutter(settings, embedder)
    channels = {channel.id: channel for channel in messages.all_channels(db)}
    approved = pairs.in_state(db, PairState.APPROVED)
    for pair in approved:
        yield from of_pair(pair, scope_of(pair, channels), cut)
    in_pairs = {name for pair in approved for name in names(pair)}
    answered = messages.answered_by_apps(db) | events.questions(db)
    for channel_id, said in groupby(messages.every(db), key=lambda message: message.channel):
        yield from of_messages(list(said), answered, in_pairs, channels.get(channel_id), cut)
    yield from from_files(db, settings, embedder)


def of_messages(
    said: list[Message],
    answered: set[tuple[str, str]],
    in_pairs: set[str],
    channel: Channel | None,
    cut: Cut,
) -> Iterator[Passage]:
    """The passages of one channel's messages, oldest first; of some, where none of the others belongs to them."""
    for talk in _talks(said, answered):
        yield from _of_talk(talk, in_pairs, channel, cut)


def from_files(db: Connection, settings: Settings, embedder: Embedder) -> Iterator[Passage]:
    """Files and canvases shared in channels, for those who can see them there."""
    cut = cutter(settings, embedder)
    channels = {channel.id: channel for channel in messages.all_channels(db)}
    for file in files.every(db):
        yield from of_file(file, channels, cut)


def from_documents(
    settings: Settings, embedder: Embedder, check: Callable[[], None] = lambda: None
) -> Iterator[Passage]:
    """The configured documents, for everyone. What cannot be read is logged by name, with the reason.

    `check` is called before each file and each page; what it raises ends the reading.
    """
    limit = _limit(settings, embedder)
    for source in settings.retrieval.documents:
        reading = documents.read(source, settings.retrieval, settings.store.data, check)
        for left_out in reading.left_out:
            log.warning("left out %s: it %s", left_out.name, left_out.reason)
        for page in reading.documents:
            check()
            for chunk in chunks.document(
                page.text, title=page.title, limit=limit, count=embedder.count_tokens
            ):
                yield passage(
                    kind=PassageKind.DOCUMENT,
                    text=chunk.text,
                    title=chunk.title or page.title,
                    url=_at_heading(page.url, chunk.anchor),
                    author=page.author,
                    at=page.at,
                    section=(page.url, chunk.anchor, *chunk.path),
                    part=chunk.part,
                    lead=chunk.lead,
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
    is_pinned: bool = False,
    section: tuple[str, ...] = (),
    part: int = 0,
    lead: int = 0,
) -> Passage:
    """A passage under an id that stays the same for as long as nothing about its text or place does.

    `section` names what its part number counts in, beside its kind, scope and conversation.
    """
    place = [str(part)] * bool(part) + ["pinned"] * is_pinned
    return Passage(
        id=_hash(kind, url, scope, conversation, text, *place),
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
        is_pinned=is_pinned,
        parent=_hash(kind, scope, conversation, *section),
        part=part,
        lead=lead,
    )


def _hash(*parts: str) -> str:
    identity = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(identity).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    limit: int
    embedder: Embedder

    def __call__(self, question: str, turns: list[chunks.Turn]) -> list[chunks.Talk]:
        return chunks.conversation(
            question, turns, limit=self.limit, count=self.embedder.count_tokens
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Conversation:
    """A thread with its root as the question, or one that was held in the channel itself."""

    name: str  # "CHANNEL/TS of its first message"
    question: Message | None
    said: tuple[Message, ...]


def cutter(settings: Settings, embedder: Embedder) -> Cut:
    return Cut(limit=_limit(settings, embedder), embedder=embedder)


def _limit(settings: Settings, embedder: Embedder) -> int:
    return min(settings.retrieval.chunk_tokens, embedder.window)


def scope_of(pair: Pair, channels: Mapping[str, Channel]) -> str:
    """A channel that was made private since takes its pairs along; the other way it does not."""
    channel = channels.get(pair.channel)
    return channel.scope if channel is not None and pair.scope == PUBLIC else pair.scope


def names(pair: Pair) -> tuple[str, ...]:
    return tuple(f"{pair.channel}/{ts}" for ts in (*pair.answer_parts, *pair.question_parts))


def of_pair(pair: Pair, scope: str, cut: Cut) -> Iterator[Passage]:
    answer = chunks.Turn(key="answer", text=legible(pair.answer))
    asked = legible("\n".join((pair.question, *pair.also_asked)))
    for number, part in enumerate(cut(asked, [answer])):
        yield passage(
            kind=PassageKind.PAIR,
            text=part.text,
            title=_title(pair.question),
            url=pair.source,
            scope=scope,
            author=pair.authors[-1] if pair.authors else "",
            at=pair.decided_at or pair.captured_at,
            conversation=pair.conversation,
            said=names(pair),
            pair_id=pair.id,
            section=(str(pair.id),),
            part=number,
            lead=part.lead,
        )


def _talks(said: list[Message], answered: set[tuple[str, str]]) -> Iterator[_Conversation]:
    """One channel's messages, oldest first: its threads, then its conversations outside threads."""
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
    for conversation in conversations(sorted(loose, key=lambda message: message.at)):
        yield _flat(conversation)


def _flat(together: tuple[Message, ...]) -> _Conversation:
    """With its first message as the question, where that asks and something was said to it."""
    first = together[0]
    question = first if len(together) > 1 and asks(first.text) else None
    said = together[1:] if question else together
    return _Conversation(name=_name(first), question=question, said=said)


def _of_talk(
    talk: _Conversation, in_pairs: set[str], channel: Channel | None, cut: Cut
) -> Iterator[Passage]:
    """Its parts. What an approved pair holds is not said twice; a question alone is no knowledge."""
    left = {_name(message): message for message in talk.said if _name(message) not in in_pairs}
    turns = [chunks.Turn(key=key, text=legible(message.text)) for key, message in left.items()]
    if not any(turn.text.strip() for turn in turns):
        return
    asked = legible(talk.question.text) if talk.question else ""
    for number, part in enumerate(cut(asked, turns)):
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
            is_pinned=any(message.is_pinned for message in quoted),
            part=number,
            lead=part.lead,
        )


def of_file(file: SharedFile, channels: Mapping[str, Channel], cut: Cut) -> Iterator[Passage]:
    """Its parts, once for each place that gives it to other people."""
    found = chunks.document(
        file.text, title=file.title, limit=cut.limit, count=cut.embedder.count_tokens
    )
    for channel in places([channels[id_] for id_ in file.channels if id_ in channels]):
        for chunk in found:
            yield passage(
                kind=PassageKind.FILE,
                text=chunk.text,
                title=chunk.title or file.title,
                url=file.url,
                scope=channel.scope,
                author=file.author,
                at=file.at,
                conversation=f"{channel.id}/{file.id}",
                said=(f"{channel.id}/{file.id}",),
                section=(chunk.anchor, *chunk.path),
                part=chunk.part,
                lead=chunk.lead,
            )


def places(shared_in: list[Channel]) -> list[Channel]:
    """One public channel stands for all, as each shows a file to every member; a channel with people from
    elsewhere is a place of its own, and so is a private one where no public one shows it to its members."""
    with_others = [channel for channel in shared_in if channel.is_shared]
    own = [channel for channel in shared_in if not channel.is_shared]
    if any(channel.scope == PUBLIC for channel in with_others):
        return with_others
    public = [channel for channel in own if channel.scope == PUBLIC]
    return [*with_others, *(public[:1] or own)]


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


def left_out(db: Connection, settings: Settings) -> list[documents.LeftOut]:
    """Files, web pages and files shared in Slack that cannot be read, with the reason."""
    retrieval, data = settings.retrieval, settings.store.data
    read = (documents.read(source, retrieval, data) for source in retrieval.documents)
    found = [each for reading in read for each in reading.left_out]
    shared = (file for file in files.every(db) if file.reason)
    return found + [documents.LeftOut(name=file.url, reason=file.reason) for file in shared]
