"""Approved pairs and all passages in; questions with what answers them, and what may be searched for them, out.

A question may not be looked for where it stands itself. So half of the pairs is held out at a time:
of such a pair and of its conversation nothing is searched but the words of the answer, and the pair's
question is asked. Of the other half the pairs stay, without the other wordings that they were asked
in, and those are asked: people's own paraphrases. Then the halves change places.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lorekeeper.domain import Pair, Passage, PassageKind, said_at
from retrieval import chunks
from retrieval.measure import Judged
from retrieval.sources import passage

HALVES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    id: str
    text: str
    judged: Judged  # by the ids of passages
    cluster: str = ""  # questions of one conversation are one witness; "": a witness of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Passages, and questions that some of them answer."""

    name: str
    passages: tuple[Passage, ...]
    questions: tuple[Question, ...]


def trials(
    pairs: Sequence[Pair],
    passages: Iterable[Passage],
    *,
    limit: int,
    count: Callable[[str], int],
    most: int,
) -> list[Trial]:
    """One trial for each half; at most `most` pairs are asked, always the same ones of the same pairs.

    `limit` is in the tokens that `count` counts, as for every other passage.
    """
    asked = sorted(pairs, key=lambda pair: _digest(str(pair.id)))[:most]
    searched = list(passages)
    cut = _Cut(limit, count)
    return [
        trial
        for half in range(HALVES)
        if (trial := _trial(half, pairs, asked, searched, cut)).questions
    ]


@dataclass(frozen=True, slots=True)
class _Cut:
    limit: int
    count: Callable[[str], int]

    def passages(self, pair: Pair, question: str) -> list[Passage]:
        """The answer as it would be found; without a question, as if it only had been said."""
        turn = chunks.Turn(key="answer", text=pair.answer)
        parts = chunks.conversation(question, [turn], limit=self.limit, count=self.count)
        return [
            passage(
                kind=PassageKind.PAIR if question else PassageKind.THREAD,
                text=part.text,
                title=question,
                url=pair.source,
                scope=pair.scope,
                at=said_at(pair),
                conversation=pair.conversation,
                said=(f"{pair.channel}/{pair.answer_ts}",),
                pair_id=pair.id if question else None,
            )
            for part in parts
        ]


def _trial(
    half: int, pairs: Sequence[Pair], asked: Sequence[Pair], searched: list[Passage], cut: _Cut
) -> Trial:
    held = {pair.conversation for pair in asked if _half(pair) == half}
    reworded = {pair.id for pair in asked if pair.also_asked and pair.conversation not in held}
    found = [
        one
        for one in searched
        if one.conversation not in held and (one.pair_id is None or one.pair_id not in reworded)
    ]
    questions = list[Question]()
    for pair in pairs:
        wordings: tuple[str, ...]
        if pair.conversation in held:
            answer, wordings = cut.passages(pair, ""), (pair.question,)
        elif pair.id in reworded:
            answer, wordings = cut.passages(pair, pair.question), pair.also_asked
        else:
            continue
        found += answer
        questions += _questions(pair, wordings if pair in asked else (), answer)
    return Trial(name=f"half {half + 1}", passages=tuple(found), questions=tuple(questions))


def _questions(pair: Pair, wordings: Sequence[str], answer: list[Passage]) -> list[Question]:
    judged = {part.id: 1 for part in answer}
    return [
        Question(id=f"{pair.id}.{number}", text=text, judged=judged, cluster=pair.conversation)
        for number, text in enumerate(wordings)
        if text.strip() and judged
    ]


def _half(pair: Pair) -> int:
    """By the conversation, so that no conversation is in both; the same on every machine."""
    return _digest(pair.conversation)[0] % HALVES


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
