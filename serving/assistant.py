"""A question and what its asker may see in; an answer with citations, or an honest lack of one, out.

An answer degrades in steps and says so: tuned with passages, base with passages, the passages alone,
"I don't know" with the people who answered similar questions.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from lorekeeper import prompt
from lorekeeper.domain import BASE_NAME, PUBLIC, Answer, Citation, Hit, Level, Passage, PassageKind
from lorekeeper.orders import gives_orders
from lorekeeper.prompt import Turn
from lorekeeper.settings import Retrieval, Serving
from lorekeeper.support import supporting
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
    gone: threading.Event = field(default_factory=threading.Event)  # set when nobody reads
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
    speak: Callable[[chat.Request], Generator[str, None, None]] = chat.stream
    relay: Callable[[chat.Request], Generator[chat.Chunk, None, None]] = chat.chunks
    """The same, chunk by chunk, for callers who speak the engine's own protocol."""
    no_tools: str = ""
    """Why the engine reads no tool calls out of what its model says; empty: it does."""

    def answer(self, asked: Asked) -> Generator[Step, None, None]:
        """Answer in steps; the last one holds the finished answer. Closing it stops the engine."""
        question = asked.question.strip()
        if not question:
            yield from _told(_made(asked, NOTHING_ASKED, level=Level.UNKNOWN))
            return
        if gives_orders(question):
            yield from _told(_made(asked, NO_ORDERS, level=Level.UNKNOWN))
            return
        asked, cut = _cut(asked)
        yield Step(status="searching")
        good, near = self._found(asked)
        if not good:
            yield from _told(_unknown(asked, near))
            return
        found = [hit.passage for hit in good[: self.retrieval.passages]]
        drawn = self._with_section(self._fitting(asked, found))
        yield Step(status="writing", scopes=drawn.scopes)
        yield from self._written(drawn, note=SHORTENED if cut else "")

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

    def _written(self, drawn: Drawn, *, note: str) -> Generator[Step, None, None]:
        """The model's answer with numbers, or, without a model, the passages."""
        name, called = self.model(drawn.asked.model)
        citer = Citer(drawn.shown)
        said: list[str] = []
        try:
            for piece in citer.cite(drawn.guard().clean(self._pieces(drawn, name))):
                said.append(piece)
                yield Step(text=piece)
        except chat.EngineFailed as error:
            if isinstance(error, chat.UnknownModel) and name != BASE_NAME:
                yield from self._by_base(drawn, called, note)
            elif isinstance(error, chat.TooLong):
                yield from self._shorter(drawn, error, note)
            else:
                yield from _without_engine(drawn, "".join(said), error.what)
            return
        if drawn.asked.gone.is_set():
            return  # half an answer is none
        text = "".join(said).strip()
        if not text:
            yield from _without_engine(drawn, "", NOTHING_SAID)
            return
        yield Step(answer=_answered(drawn, text, drawn.cited(citer.used), called, note))

    def _by_base(self, drawn: Drawn, called: str, note: str) -> Generator[Step, None, None]:
        """The adapter is not in the engine, which was started again just now or has refused it."""
        base = replace(drawn, asked=replace(drawn.asked, model=BASE_NAME))
        yield from self._written(base, note=_joined(note, NOT_LOADED.format(called)))

    def _shorter(self, drawn: Drawn, error: chat.TooLong, note: str) -> Generator[Step, None, None]:
        """The estimate was wrong for this text: try with half of it."""
        if drawn.section:
            drawn = replace(drawn, section=())
        elif drawn.turns:
            drawn = replace(drawn, turns=drawn.turns[(len(drawn.turns) + 1) // 2 :])
        elif len(drawn.passages) > 1:
            drawn = replace(drawn, passages=drawn.passages[: len(drawn.passages) // 2])
        else:
            yield from _without_engine(drawn, "", error.what)
            return
        yield from self._written(drawn, note=note)

    def _pieces(self, drawn: Drawn, name: str) -> Generator[str, None, None]:
        return self.speak(
            chat.Request(
                url=self.engine_url,
                model=name,
                messages=drawn.messages(),
                max_tokens=self.serving.max_tokens,
                patience=self.serving.first_token_seconds,
                gone=drawn.asked.gone,
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

    def _fitting(self, asked: Asked, passages: list[Passage]) -> Drawn:
        """What leaves room for the answer: the lowest passages go first, then the oldest turns."""
        drawn = Drawn(asked=asked, passages=tuple(passages), turns=asked.turns)
        while drawn.length() > self._room():
            if len(drawn.passages) > 1:
                drawn = replace(drawn, passages=drawn.passages[:-1])
            elif drawn.turns:
                drawn = replace(drawn, turns=drawn.turns[1:])
            else:
                break
        return drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A question with what the model is shown beside it."""

    asked: Asked
    passages: tuple[Passage, ...]
    turns: tuple[Turn, ...]
    section: tuple[Passage, ...] = ()  # shown in place of the first passage, which is one of these

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
        return sum(len(turn["content"]) for turn in self.messages())


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


def _cut(asked: Asked) -> tuple[Asked, bool]:
    """Questions of any length are taken; what is beyond the limit is cut, and that is said."""
    if len(asked.question) <= LONGEST_QUESTION:
        return asked, False
    return replace(asked, question=asked.question[:LONGEST_QUESTION]), True


def _told(answer: Answer) -> Generator[Step, None, None]:
    yield Step(text=answer.text)
    yield Step(answer=answer)


def _unknown(asked: Asked, hits: Sequence[Hit]) -> Answer:
    passages = [hit.passage for hit in hits]
    people = _people(asked, passages)
    scopes = tuple(sorted({passage.scope for passage in passages}))
    return _made(asked, prompt.UNKNOWN, level=Level.UNKNOWN, people=people, scopes=scopes)


def _answered(
    drawn: Drawn, text: str, citations: tuple[Citation, ...], called: str, note: str
) -> Answer:
    wanted = drawn.asked.model
    beside = NOT_BESIDE.format(wanted, called) if wanted not in {None, called} else ""
    return _made(
        drawn.asked,
        text,
        level=Level.BASE if called == BASE_NAME else Level.TUNED,
        model=called,
        citations=citations or _listed(drawn.passages),
        scopes=drawn.scopes,
        note=_joined(note, beside, "" if citations else UNSUPPORTED),
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
        f"> {''.join(drawn.guard().clean([shorten(passage.text, 2 * QUOTE)]))} [{number}]"
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
