"""A channel's stored messages in; the questions with answers that are found in them, as candidates, out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain

from sqlalchemy import Connection, Engine

from lorekeeper.domain import Channel, Origin, Pair, PairState
from lorekeeper.links import permalink
from lorekeeper.placeholders import placeholders_of
from lorekeeper.questions import SURE, Found, mine_flat, mine_thread
from lorekeeper.redact import redact
from lorekeeper.store import messages, pairs, people, reading

BATCH = 200  # candidates stored at a time
NO_ID = 0  # the store gives one


def mine(engine: Engine, channel: Channel, *, by: str) -> int:
    """Store what was surely enough found and never stored before, but nothing of people who opted
    out; how many candidates that were.

    The messages are read one by one: memory does not grow with the channel.
    """
    added = 0
    with reading(engine) as db:
        silent = people.all_opted_out(db)
        batch: list[Pair] = []
        for found in _found(db, channel):
            authors = {found.question.author, found.answer.author}
            if found.confidence < SURE or authors & silent:
                continue
            batch.append(_candidate(found, channel, by))
            if len(batch) == BATCH:
                added += _store(engine, batch)
                batch = []
    return added + _store(engine, batch)


def _found(db: Connection, channel: Channel) -> Iterator[Found]:
    in_threads = (mine_thread(thread) for thread in messages.threads(db, channel.id))
    return chain(filter(None, in_threads), mine_flat(messages.flat(db, channel.id)))


def _store(engine: Engine, batch: list[Pair]) -> int:
    with engine.begin() as db:
        return len(pairs.add_new(db, batch))


def _candidate(found: Found, channel: Channel, by: str) -> Pair:
    """Redacted once more, people included: the stored messages keep who mentions whom."""
    question, answer = found.question, found.answer
    known = placeholders_of([question, answer])
    asked, told = redact(question.text, known), redact(answer.text, known)
    return Pair(
        id=NO_ID,
        question=asked.text,
        answer=told.text,
        state=PairState.CANDIDATE,
        origin=Origin.MINED,
        channel=channel.id,
        scope=channel.scope,
        conversation=f"{channel.id}/{question.root}",
        source=answer.permalink or permalink("", channel.id, answer.ts),
        answer_ts=answer.ts,
        question_ts=question.ts,
        authors=tuple(dict.fromkeys((question.author, answer.author))),
        captured_by=by,
        captured_at=time.time(),
        redactions=asked.kinds + told.kinds,
        question_parts=found.question_parts,
        answer_parts=found.answer_parts,
        confidence=found.confidence,
    )
