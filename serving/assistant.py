"""A question and what its asker may see in; an answer with citations, or an honest lack of one, out.

An answer degrades in steps and says so: tuned with passages, base with passages, the passages alone,
"I don't know" with the people who answered similar questions.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from lorekeeper import prompt
from lorekeeper.domain import PUBLIC, Answer, Citation, Hit, Level, Passage
from lorekeeper.prompt import Turn
from lorekeeper.settings import BASE_NAME, Retrieval, Serving
from lorekeeper.text import shorten
from serving import chat
from serving.citations import QUOTE, Citer

NOTHING_ASKED = (
    "That was no question. Ask me something, and I will look for what the team has said about it."
)
UNSUPPORTED = "No source that I may show here supports this answer. Check it before you rely on it."
SHORTENED = "The question was too long and was cut."
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
    ) -> list[Hit]: ...


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
    model: str | None = None  # None: what is current; BASE_NAME: the base, for comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that happened on the way: a status, a piece of text, and at last the whole answer."""

    status: str = ""
    text: str = ""
    answer: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """What it takes to answer: an index, an engine, and the name that is current."""

    search: Search
    engine_url: str
    current: Callable[[], tuple[str, str]]  # the engine's name for it, and what people call it
    retrieval: Retrieval
    serving: Serving

    def answer(self, asked: Asked) -> Generator[Step, None, None]:
        """Answer in steps; the last one holds the finished answer. Closing it stops the engine."""
        question = asked.question.strip()
        if not question:
            yield from _told(_made(asked, NOTHING_ASKED, level=Level.UNKNOWN))
            return
        asked, cut = _cut(asked)
        yield Step(status="searching")
        hits = self.search.search(
            asked.question,
            scopes=asked.scopes,
            k=self.retrieval.passages + PEOPLE,
            exclude=asked.exclude,
        )
        good = [hit for hit in hits if hit.similarity >= self.retrieval.min_similarity]
        if not good:
            yield from _told(_unknown(asked, hits))
            return
        passages = self._fitting(asked, [hit.passage for hit in good[: self.retrieval.passages]])
        yield from self._written(asked, passages, note=SHORTENED if cut else "")

    def _written(
        self, asked: Asked, passages: list[Passage], *, note: str
    ) -> Generator[Step, None, None]:
        name, called = (BASE_NAME, BASE_NAME) if asked.model == BASE_NAME else self.current()
        citer = Citer(passages)
        said: list[str] = []
        yield Step(status="writing")
        try:
            for piece in citer.cite(self._pieces(asked, passages, name)):
                said.append(piece)
                yield Step(text=piece)
        except chat.EngineFailed as error:
            yield from self._without_engine(asked, passages, "".join(said), error)
            return
        text = "".join(said).strip()
        if not text:
            yield from _told(_passages_only(asked, passages, "The model had nothing to say."))
            return
        citations = citer.citations()
        made = _made(
            asked,
            text,
            level=Level.BASE if name == BASE_NAME else Level.TUNED,
            model=called,
            citations=citations,
            note=" ".join(filter(None, [note, "" if citations else UNSUPPORTED])),
            people=() if citations else _people(passages),
        )
        yield Step(answer=made)

    def _without_engine(
        self, asked: Asked, passages: list[Passage], said: str, error: chat.EngineFailed
    ) -> Generator[Step, None, None]:
        """The engine failed: what was found is quoted, below what had been said."""
        fallback = _passages_only(asked, passages, error.what)
        lead = f"{said.rstrip()} …\n\n" if said.strip() else ""
        whole = replace(fallback, text=lead + fallback.text)
        yield Step(text=whole.text.removeprefix(said) if lead else whole.text)
        yield Step(answer=whole)

    def _pieces(
        self, asked: Asked, passages: Sequence[Passage], name: str
    ) -> Generator[str, None, None]:
        return chat.stream(
            self.engine_url,
            model=name,
            messages=prompt.messages(asked.question, passages=passages, turns=asked.turns),
            max_tokens=self.serving.max_tokens,
            patience=self.serving.first_token_seconds,
        )

    def _fitting(self, asked: Asked, passages: list[Passage]) -> list[Passage]:
        """As many of the best passages as leave room for the answer."""
        room = (self.serving.context_tokens - self.serving.max_tokens) * PER_TOKEN
        while len(passages) > 1:
            turns = prompt.messages(asked.question, passages=passages, turns=asked.turns)
            if sum(len(turn["content"]) for turn in turns) <= room:
                break
            passages = passages[:-1]
        return passages


def _cut(asked: Asked) -> tuple[Asked, bool]:
    """Questions of any length are taken; what is beyond the limit is cut, and that is said."""
    if len(asked.question) <= LONGEST_QUESTION:
        return asked, False
    return replace(asked, question=asked.question[:LONGEST_QUESTION]), True


def _told(answer: Answer) -> Generator[Step, None, None]:
    yield Step(text=answer.text)
    yield Step(answer=answer)


def _unknown(asked: Asked, hits: Sequence[Hit]) -> Answer:
    people = _people(hit.passage for hit in hits)
    text = "I don't know: nothing that I may show here answers this."
    if people:
        named = ", ".join(f"<@{person}>" for person in people)
        text += f" {named} answered the questions that come nearest."
    return _made(asked, text, level=Level.UNKNOWN, people=people)


def _passages_only(asked: Asked, passages: Sequence[Passage], why: str) -> Answer:
    """What was found, quoted, with numbers that open the sources."""
    quotes = [
        f"> {shorten(passage.text, 2 * QUOTE)} [{number}]"
        for number, passage in enumerate(passages, 1)
    ]
    citations = tuple(
        Citation(
            number=number,
            passage_id=passage.id,
            title=passage.title,
            url=passage.url,
            quote=shorten(passage.text, QUOTE),
        )
        for number, passage in enumerate(passages, 1)
    )
    return _made(
        asked,
        "This is what I found:\n\n" + "\n\n".join(quotes),
        level=Level.PASSAGES,
        citations=citations,
        note=f"{why} So these are the sources alone, without an answer made from them.",
    )


def _people(passages: Iterable[Passage]) -> tuple[str, ...]:
    """Who said what was found, nearest first, each once."""
    authors = (passage.author for passage in passages if passage.author)
    return tuple(dict.fromkeys(authors))[:PEOPLE]


def _made(
    asked: Asked,
    text: str,
    *,
    level: Level,
    model: str = "none",
    citations: tuple[Citation, ...] = (),
    note: str = "",
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
        people=people,
        asker=asked.asker,
        channel=asked.channel,
        thread_ts=asked.thread_ts,
        at=time.time(),
    )
