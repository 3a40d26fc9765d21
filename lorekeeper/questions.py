"""Messages of a channel in; which message asks, which one answers it, and how sure that is, out.

Real channels are flat and several conversations run at once, so cues are weighed: who is mentioned,
how long ago, what words are shared, whether the asker came back with thanks. The weights are round
numbers set by reasoning, not fitted to any channel.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lorekeeper.domain import Message
from lorekeeper.text import words

TURN_GAP = 180.0  # seconds within which one person's messages in a row are one turn
WINDOW = 30 * 60.0  # seconds in which an answer is looked for
TURNS = 12  # turns after a question that may answer it
SURE = 0.8  # confidence from which a found pair is worth a person's look

_ASKS = re.compile(
    r"\?(?:\s|$|[?!)\"'`*_])|\b[A-Z]\w*(?:Error|Exception|Warning)\b|^\W*(?:how|what|why|when|where|which|who|is there|are there|does|do|can|could|"
    r"should|would|has anyone|have you|any(?:one|body)|i(?:'m| am) (?:trying|wondering|looking|getting|stuck))\b",
    re.IGNORECASE,
)
_THANKS = re.compile(
    r"\b(?:thanks?|thank you|thx|ty|cheers|that (?:works|worked|helps|helped|did it)|got it|perfect|"
    r"makes sense|i see|aha|ah ok|awesome)\b",
    re.IGNORECASE,
)
_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|[^>]*)?>")
_CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
_COMMON = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "is",
        "it",
        "its",
        "me",
        "my",
        "no",
        "not",
        "of",
        "on",
        "or",
        "so",
        "that",
        "the",
        "then",
        "there",
        "they",
        "this",
        "to",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A question with the message that seems to answer it."""

    question: Message
    answer: Message
    confidence: float  # 0 to 1; from SURE on, most are right


@dataclass(frozen=True, slots=True)
class Turn:
    """One person's messages in a row."""

    messages: tuple[Message, ...]

    @property
    def author(self) -> str:
        return self.messages[0].author

    @property
    def text(self) -> str:
        return "\n".join(message.text for message in self.messages)

    @property
    def begins(self) -> float:
        return self.messages[0].at

    @property
    def ends(self) -> float:
        return self.messages[-1].at

    @property
    def mentions(self) -> frozenset[str]:
        return frozenset(_MENTION.findall(self.text))

    def whole(self) -> Message:
        """The turn as one message, under the first one's `ts`."""
        return replace(self.messages[0], text=self.text)


def question_for(answer: Message, before: Sequence[Message]) -> Message | None:
    """The question that `answer` answers, or None when none stands out.

    In a thread that is its root with the asker's first further words. In a flat channel it is the
    likeliest question among the messages `before` (oldest first), joined with the asker's other
    messages in the same turn.
    """
    if answer.thread_ts and answer.thread_ts != answer.ts:
        root = next((m for m in before if m.ts == answer.thread_ts), None)
        return root if root is not None and root.author != answer.author else None
    flat = [m for m in before if not m.thread_ts or m.thread_ts == m.ts]
    turns = [*_turns(flat), Turn((answer,))]
    last = len(turns) - 1
    scored = [
        (_score(turns, at, last), at)
        for at in range(max(0, last - TURNS), last)
        if _may_be_asked(turns[at], turns[last])
    ]
    best = max(scored, default=None)
    return turns[best[1]].whole() if best is not None and best[0] > 0 else None


def mine(messages: Sequence[Message]) -> list[Found]:
    """Question and answer pairs of one channel, oldest first; each question at most once.

    `messages` are of people, by time. Threads are read by themselves, the flat channel as a whole.
    """
    found = [pair for thread in _threads(messages) for pair in _from_thread(thread)]
    flat = [m for m in messages if not m.thread_ts or m.thread_ts == m.ts]
    replied = {m.thread_ts for m in messages if m.thread_ts and m.thread_ts != m.ts}
    turns = list(_turns(flat))
    for at, turn in enumerate(turns):
        if _asks(turn) and not any(m.ts in replied for m in turn.messages):
            found += _best_answer(turns, at)
    return sorted(found, key=lambda pair: pair.question.at)


def asks(text: str) -> bool:
    """Whether a message reads as a question."""
    return bool(_ASKS.search(_CODE.sub(" ", text)))


def _asks(turn: Turn) -> bool:
    return any(asks(message.text) for message in turn.messages)


def _best_answer(turns: Sequence[Turn], at: int) -> list[Found]:
    question = turns[at]
    scored = [
        (_score(turns, at, to), -to)
        for to in range(at + 1, min(len(turns), at + 1 + TURNS))
        if _may_be_asked(question, turns[to])
    ]
    if not scored:
        return []
    score, place = max(scored)
    answer = turns[-place]
    return [Found(question=question.whole(), answer=answer.whole(), confidence=_squash(score))]


def _may_be_asked(question: Turn, answer: Turn) -> bool:
    gap = answer.begins - question.ends
    return question.author != answer.author and 0 <= gap <= WINDOW and _asks(question)


def _score(turns: Sequence[Turn], at: int, to: int) -> float:
    """Evidence, in logits, that the turn at `to` answers the question at `at`."""
    question, answer = turns[at], turns[to]
    between = turns[at + 1 : to]
    strangers = {t.author for t in between} - {question.author, answer.author}
    named = question.author in answer.mentions
    score = 2.5 if named else 0.5
    score -= 3.0 if answer.mentions and not named else 0.0
    score += 1.0 if answer.author in question.mentions else 0.0
    score -= 1.5 if question.mentions and answer.author not in question.mentions else 0.0
    if to == at + 1:
        score += 1.0
    elif not named:  # a name reaches over what others say in between
        score -= 0.4 * len(between) + 0.6 * len(strangers)
    score -= min(2.0, (answer.begins - question.ends) / (600.0 if named else 300.0))
    score += min(1.5, 0.5 * len(_content(question.text) & _content(answer.text)))
    score -= 2.0 if _asks(answer) else 0.0
    score += _aftermath(turns, at, to)
    score -= 0.5 if len(words(answer.text)) < 6 else 0.0
    return score


def _aftermath(turns: Sequence[Turn], at: int, to: int) -> float:
    """The asker comes back after the answer: thanks, or the answerer's name."""
    question, answer = turns[at], turns[to]
    for later in turns[to + 1 : to + 4]:
        if later.author != question.author or later.begins - answer.ends > WINDOW:
            continue
        if later.mentions and answer.author not in later.mentions:
            return -0.5
        return 1.5 if _THANKS.search(later.text) or answer.author in later.mentions else 0.5
    return 0.0


def _content(text: str) -> frozenset[str]:
    return frozenset(w for w in words(text) if len(w) > 2 and w not in _COMMON)


def _squash(score: float) -> float:
    return 1.0 / (1.0 + math.exp(-score))


def _turns(messages: Sequence[Message]) -> Iterator[Turn]:
    gathered: list[Message] = []
    for message in messages:
        same = gathered and gathered[-1].author == message.author
        if gathered and not (same and message.at - gathered[-1].at <= TURN_GAP):
            yield Turn(tuple(gathered))
            gathered = []
        gathered.append(message)
    if gathered:
        yield Turn(tuple(gathered))


def _threads(messages: Sequence[Message]) -> Iterator[list[Message]]:
    by_root: dict[str, list[Message]] = {}
    for message in messages:
        by_root.setdefault(message.root, []).append(message)
    yield from (thread for thread in by_root.values() if len(thread) > 1)


def _from_thread(thread: Sequence[Message]) -> list[Found]:
    """In a thread the root asks; the longest reply of another person is the likeliest answer."""
    root = thread[0]
    replies = [m for m in thread[1:] if m.author != root.author and not asks(m.text)]
    if not asks(root.text) or not replies:
        return []
    best = max(replies, key=lambda m: len(m.text))
    thanked = any(m.author == root.author and _THANKS.search(m.text) for m in thread[1:])
    return [Found(question=root, answer=best, confidence=0.95 if thanked else 0.85)]
