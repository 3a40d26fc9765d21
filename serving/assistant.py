"""A question and what its asker may see in; an answer with citations, or an honest lack of one, out.

An answer degrades in steps and says so: tuned with passages, base with passages, the passages alone,
"I don't know" with the people who answered similar questions.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from lorekeeper import prompt
from lorekeeper.domain import BASE_NAME, PUBLIC, Answer, Citation, Hit, Level, Passage, PassageKind
from lorekeeper.orders import gives_orders
from lorekeeper.prompt import Turn
from lorekeeper.settings import Retrieval, Serving
from lorekeeper.support import said_in, supporting
from lorekeeper.text import shorten
from retrieval import evidence
from retrieval.index import EVERY_KIND
from serving import chat
from serving.citations import QUOTE, Citer, citation
from serving.followup import search_texts
from serving.guard import Guard

NOTHING_ASKED = (
    "That was no question. Ask me something, and I will look for what the team has said about it."
)
NO_ORDERS = "I answer questions about what the team has said, and take no other orders. Ask me something that somebody here may have answered."
UNSUPPORTED = "No source backs a sentence of this answer, so none has a number. The sources below come nearest: check them."
SHORTENED = "The question was too long and was cut."
NOT_LOADED = "{} is not loaded right now; the base model answered."
NOT_BESIDE = "{0} cannot be served beside {1}, which is a whole model of its own; {1} answered."
NOTHING_SAID = "The model had nothing to say."
PEOPLE = 3  # who are named when nothing is known
LONGEST_QUESTION = 6_000  # characters
PER_TOKEN = (
    3.0  # characters; prompts are cut by this low estimate, so that they fit every tokenizer
)


class Search(Protocol):
    """The newest index (`retrieval.refresh.Refresher`)."""

    def search(
        self,
        question: str,
        *,
        scopes: frozenset[str],
        k: int,
        exclude: frozenset[str] = frozenset(),
        kinds: frozenset[PassageKind] = EVERY_KIND,
    ) -> list[Hit]: ...

    def section(
        self, passage: Passage, *, exclude: frozenset[str] = frozenset()
    ) -> list[Passage]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question, with what surrounds it."""

    question: str
    scopes: frozenset[str] = frozenset({PUBLIC})
    exclude: frozenset[str] = frozenset()  # conversations that may not be quoted: the live thread
    turns: tuple[Turn, ...] = ()  # what was said before in the thread
    asker: str = ""
    channel: str = ""
    thread_ts: str | None = None
    model: str | None = None  # an adapter's name, or BASE_NAME; None: what is current
    kinds: frozenset[PassageKind] = EVERY_KIND  # which sources count
    style: str = ""  # what a channel's curators ask of its answers
    spent: chat.Spent = field(default_factory=chat.Spent)  # the engine's tokens are added here
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that happened on the way: a status, a piece of text, and at last the whole answer."""

    status: str = ""
    before: int | None = None  # with the status "waiting": how many questions are before this one
    scopes: tuple[str, ...] = ()  # with the status "writing": of the passages it is written from
    text: str = ""
    answer: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """What it takes to answer: an index, an engine, and the name that is current."""

    search: Search
    engine_url: str
    model: Callable[[str | None], tuple[str, str]]
    """The engine's name for an adapter (None: the current one), and what people call it."""
    retrieval: Retrieval
    serving: Serving
    speak: Callable[[chat.Request], AsyncGenerator[str, None]] = chat.stream
    relay: Callable[[chat.Request], AsyncGenerator[chat.Chunk, None]] = chat.chunks
    """The same, chunk by chunk, for callers who speak the engine's own protocol."""
    no_tools: str = ""
    """Why the engine reads no tool calls out of what its model says; empty: it does."""

    async def answer(self, asked: Asked) -> AsyncGenerator[Step, None]:
        """Answer in steps; the last one holds the finished answer. Closing it stops the engine."""
        yield Step(status="searching")
        drawn = await asyncio.to_thread(self._draw, asked)
        if isinstance(drawn, Answer):
            yield Step(text=drawn.text)
            yield Step(answer=drawn)
            return
        yield Step(status="writing", scopes=drawn.scopes)
        async with aclosing(self._written(drawn)) as steps:
            async for step in steps:
                yield step

    def _draw(self, asked: Asked) -> Drawn | Answer:
        """What the answer is written from, or, where there is nothing to write, the answer that says so.

        It computes, so it runs in a thread, beside the words of other answers.
        """
        note = SHORTENED if len(asked.question) > LONGEST_QUESTION else ""
        asked = replace(asked, question=asked.question[:LONGEST_QUESTION])
        if not asked.question.strip():
            return _made(asked, NOTHING_ASKED, level=Level.UNKNOWN)
        if gives_orders(asked.question):
            return _made(asked, NO_ORDERS, level=Level.UNKNOWN)
        good, near = self._found(asked)
        if not good:
            return _unknown(asked, near)
        found = [hit.passage for hit in good[: self.retrieval.passages]]
        drawn = self._with_section(self._fitting(asked, found, note))
        for passage in drawn.shown:
            said_in(passage.text)  # is remembered, so that no sentence waits for it
        return drawn

    def passages(self, asked: Asked) -> list[Passage]:
        """What this would be answered from; nothing where nothing is known."""
        good, _ = self._found(asked) if asked.question.strip() else ([], [])
        return [hit.passage for hit in good[: self.retrieval.passages]]

    def _found(self, asked: Asked) -> tuple[list[Hit], list[Hit]]:
        """The hits to answer from, and where there are none, those that come nearest."""
        near: list[Hit] = []
        for text in search_texts(asked.question, asked.turns):
            hits = self.search.search(
                text,
                scopes=asked.scopes,
                k=self.retrieval.passages + PEOPLE,
                exclude=asked.exclude,
                kinds=asked.kinds,
            )
            if good := evidence.enough(hits, self.retrieval.min_evidence):
                return good, hits
            near = near or hits
        return [], near

    async def _written(self, drawn: Drawn) -> AsyncGenerator[Step, None]:
        """The model's answer with numbers, or, without a model, the passages."""
        name, called = self.model(drawn.asked.model)
        citer, said, failure = Citer(drawn.shown), "", ""
        try:
            async with aclosing(self._words(drawn, name, citer)) as words:
                async for text in words:
                    said += text
                    yield Step(text=text)
        except chat.EngineFailed as error:
            if (other := _other(drawn, name, called, error)) is not None:
                async with aclosing(self._written(other)) as steps:
                    async for step in steps:
                        yield step
                return
            failure = error.what
        if failure or not said.strip():
            for step in _without_engine(drawn, said if failure else "", failure or NOTHING_SAID):
                yield step
            return
        yield Step(answer=_answered(drawn, said.strip(), drawn.cited(citer.used), called))

    async def _words(self, drawn: Drawn, name: str, citer: Citer) -> AsyncGenerator[str, None]:
        """What the model says, guarded and with numbers, as soon as it may be shown."""
        guard = drawn.guard()
        async with aclosing(self._pieces(drawn, name)) as pieces:
            async for piece in pieces:
                if ready := citer.take(guard.take(piece)):
                    yield ready
        if ready := citer.take(guard.rest()) + citer.rest():
            yield ready

    def _pieces(self, drawn: Drawn, name: str) -> AsyncGenerator[str, None]:
        return self.speak(
            chat.Request(
                url=self.engine_url,
                model=name,
                messages=drawn.messages,
                max_tokens=self.serving.max_tokens,
                patience=self.serving.first_token_seconds,
                spent=drawn.asked.spent,
                request_id=drawn.asked.request_id,
            )
        )

    def _with_section(self, drawn: Drawn) -> Drawn:
        """The best passage with what stands around it in its section or conversation, as far as that fits.

        That is no more than all passages together may be, so that a prompt is not much longer for it.
        Other parts of the same are in it, and take no place of their own.
        """
        best, *others = drawn.passages
        parts = self.search.section(best, exclude=drawn.asked.exclude)
        most = self.retrieval.passages * self.retrieval.chunk_tokens * PER_TOKEN
        around = _around(parts, best, most)
        if len(around) < 2:
            return drawn
        apart = [passage for passage in others if passage not in around]
        wider = replace(drawn, passages=(best, *apart), section=around)
        return wider if wider.length() <= self._room() else drawn

    def _room(self) -> float:
        """Characters that a prompt may have."""
        return (self.serving.context_tokens - self.serving.max_tokens) * PER_TOKEN

    def _fitting(self, asked: Asked, passages: list[Passage], note: str) -> Drawn:
        """What leaves room for the answer: the lowest passages go first, then the oldest turns."""
        drawn = Drawn(asked=asked, passages=tuple(passages), turns=asked.turns, note=note)
        while drawn.length() > self._room():
            if len(drawn.passages) > 1:
                drawn = replace(drawn, passages=drawn.passages[:-1])
            elif drawn.turns:
                drawn = replace(drawn, turns=drawn.turns[1:])
            else:
                break
        return drawn


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A question with what the model is shown beside it."""

    asked: Asked
    passages: tuple[Passage, ...]
    turns: tuple[Turn, ...]
    section: tuple[Passage, ...] = ()  # shown in place of the first passage, which is one of these
    note: str = ""  # what was degraded on the way here

    @property
    def shown(self) -> tuple[Passage, ...]:
        if not self.section:
            return self.passages
        return (replace(self.passages[0], text=_joined_parts(self.section)), *self.passages[1:])

    def cited(self, used: Mapping[int, str]) -> tuple[Citation, ...]:
        """What each number opens; in a section, the part that supports the sentence before the number."""
        found = []
        for number, sentence in sorted(used.items()):
            part = supporting(sentence, self.section) if number == 1 else None
            first = self.section[part - 1] if part else self.passages[0]
            found.append(citation(number, (first, *self.passages[1:])))
        return tuple(found)

    @cached_property
    def messages(self) -> list[Turn]:
        return prompt.messages(
            self.asked.question, passages=self.shown, turns=self.turns, style=self.asked.style
        )

    def guard(self) -> Guard:
        """Addresses may be repeated from the question, the thread and the passages."""
        known = [self.asked.question, *(turn["content"] for turn in self.turns)]
        known += [text for passage in self.shown for text in (passage.text, passage.url)]
        return Guard(known=tuple(known), instructions=prompt.instructions(self.asked.style))

    @property
    def scopes(self) -> tuple[str, ...]:
        return tuple(sorted({passage.scope for passage in self.passages}))

    def length(self) -> int:
        """In characters."""
        return sum(len(turn["content"]) for turn in self.messages)


def _around(parts: Sequence[Passage], best: Passage, most: float) -> tuple[Passage, ...]:
    """As many of the parts as have so many characters together, from the best one outwards."""
    at = next((place for place, part in enumerate(parts) if part.id == best.id), 0)
    first, last = at, at + 1
    for step in range(1, len(parts)):
        for start, end in ((first, at + step + 1), (at - step, last)):
            is_there = start >= 0 and end <= len(parts)
            if is_there and len(_joined_parts(parts[start:end])) <= most:
                first, last = min(first, start), max(last, end)
    return tuple(parts[first:last])


def _joined_parts(parts: Sequence[Passage]) -> str:
    """The words of all parts; what each repeats at its beginning stands there once."""
    return "\n\n".join([parts[0].text, *(part.text[part.lead :] for part in parts[1:])])


def _other(drawn: Drawn, name: str, called: str, error: chat.EngineFailed) -> Drawn | None:
    """What may be asked instead after this failure."""
    if isinstance(error, chat.UnknownModel) and name != BASE_NAME:
        # The engine was started again just now, or has refused the adapter.
        note = _joined(drawn.note, NOT_LOADED.format(called))
        return replace(drawn, asked=replace(drawn.asked, model=BASE_NAME), note=note)
    return _shorter(drawn) if isinstance(error, chat.TooLong) else None


def _shorter(drawn: Drawn) -> Drawn | None:
    """The estimate was wrong for this text: half of it."""
    if drawn.section:
        return replace(drawn, section=())
    if drawn.turns:
        return replace(drawn, turns=drawn.turns[(len(drawn.turns) + 1) // 2 :])
    if len(drawn.passages) > 1:
        return replace(drawn, passages=drawn.passages[: len(drawn.passages) // 2])
    return None


def _unknown(asked: Asked, hits: Sequence[Hit]) -> Answer:
    passages = [hit.passage for hit in hits]
    people = _people(asked, passages)
    scopes = tuple(sorted({passage.scope for passage in passages}))
    return _made(asked, prompt.UNKNOWN, level=Level.UNKNOWN, people=people, scopes=scopes)


def _answered(drawn: Drawn, text: str, citations: tuple[Citation, ...], called: str) -> Answer:
    wanted = drawn.asked.model
    beside = NOT_BESIDE.format(wanted, called) if wanted not in {None, called} else ""
    return _made(
        drawn.asked,
        text,
        level=Level.BASE if called == BASE_NAME else Level.TUNED,
        model=called,
        citations=citations or _listed(drawn.passages),
        scopes=drawn.scopes,
        note=_joined(drawn.note, beside, "" if citations else UNSUPPORTED),
        people=() if citations else _people(drawn.asked, drawn.passages),
    )


def _without_engine(drawn: Drawn, said: str, why: str) -> Generator[Step, None, None]:
    """The engine failed: what was found is quoted, below what had been said."""
    fallback = _passages_only(drawn, why)
    added = (
        f"{' …' if said.rstrip() == said else '…'}\n\n{fallback.text}" if said else fallback.text
    )
    yield Step(text=added)
    yield Step(answer=replace(fallback, text=said + added))


def _listed(passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """Every passage under its number."""
    return tuple(citation(number, passages) for number in range(1, len(passages) + 1))


def _passages_only(drawn: Drawn, why: str) -> Answer:
    """What was found, quoted, with numbers that open the sources."""
    quotes = [
        f"> {_guarded(drawn, shorten(passage.text, 2 * QUOTE))} [{number}]"
        for number, passage in enumerate(drawn.passages, 1)
    ]
    return _made(
        drawn.asked,
        "This is what I found:\n\n" + "\n\n".join(quotes),
        level=Level.PASSAGES,
        citations=_listed(drawn.passages),
        scopes=drawn.scopes,
        note=f"{why} So these are the sources alone, without an answer made from them.",
    )


def _guarded(drawn: Drawn, text: str) -> str:
    guard = drawn.guard()
    return guard.take(text) + guard.rest()


def _joined(*notes: str) -> str:
    return " ".join(note for note in notes if note)


def _people(asked: Asked, passages: Iterable[Passage]) -> tuple[str, ...]:
    """Who in Slack said what was found, each once: first whose answers were vouched for, then by nearness."""
    vouched = sorted(passages, key=lambda passage: passage.kind is not PassageKind.PAIR)
    spoke = (p.author for p in vouched if p.kind is not PassageKind.DOCUMENT)
    authors = (author for author in spoke if author and author != asked.asker)
    return tuple(dict.fromkeys(authors))[:PEOPLE]


def _made(
    asked: Asked,
    text: str,
    *,
    level: Level,
    model: str = "none",
    citations: tuple[Citation, ...] = (),
    note: str = "",
    scopes: tuple[str, ...] = (),
    people: tuple[str, ...] = (),
) -> Answer:
    return Answer(
        id=uuid.uuid4().hex,
        question=asked.question,
        text=text,
        citations=citations,
        level=level,
        model=model,
        note=note,
        scopes=scopes,
        people=people,
        asker=asked.asker,
        channel=asked.channel,
        thread_ts=asked.thread_ts,
        at=time.time(),
    )
