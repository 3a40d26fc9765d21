"""Messages of a channel in; which message asks, which one answers it and how sure that is, and which
belong to one conversation, out.

Real channels are flat and several conversations run at once. Which turns belong together is weighed by
the cues that the literature on chat disentanglement found to tell most (Elsner & Charniak 2010): how long
ago, who is named, and who speaks with whom before and after. The weights are round numbers set by
reasoning, in logits: a name says most, then an answer to the answer; each doubling of the wait costs less
than the one before. They are fitted to no channel, and halving or doubling any one of them changes little.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from lorekeeper.domain import Message
from lorekeeper.similar import topic

TURN_GAP = 180.0  # seconds within which one person's messages in a row are one turn
LONGEST_TURN = 50  # messages; somebody who writes on and on speaks several turns
WINDOW = 30 * 60.0  # seconds in which an answer is looked for, and that a conversation goes on
ANSWERS = 12  # turns after a question that may answer it
AROUND = 20  # turns before a question, and after its last possible answer, that tell who speaks with whom
SURE = 0.8  # confidence from which a found pair is worth a person's look

NAMED = 2.0  # the answer names the asker; -NAMED: it names only others
ASKED = 1.0  # the question names the one who answers
ASKED_OTHERS = -1.5  # it names others
BETWEEN = -0.4  # each turn in between, unless a name reaches over it
MINUTES = -1.0  # for each e-fold of the minutes that passed
TALKING = 0.5  # each of the two who spoke in the half hour before: a conversation goes on
ANSWERED = 1.0  # the asker speaks next after the answer
ASKS_BACK = -1.0  # the answer is a question
PLAUSIBLE = 2.0  # the next turn of somebody else, when nothing speaks against it
LULL = 3600.0  # seconds of silence after which no conversation goes on
ASKS_ANEW = -3.0  # somebody who had no part in the conversation asks: mostly that opens another one
SAME_WORDS = 1.0  # the two turns share a telling word
OWN = 1.0  # the same person goes on
LONGEST_CONVERSATION = 200  # turns; what is longer is cut into passages at any rate
SPREAD = 1.5  # logits of score that are one logit of confidence: cues are not independent

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A question with the message that seems to answer it."""

    question: Message
    answer: Message
    confidence: float  # 0 to 1; from SURE on, most are right
    question_parts: tuple[str, ...]  # `ts` of the messages that were joined
    answer_parts: tuple[str, ...]


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

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(message.ts for message in self.messages)

    def whole(self) -> Message:
        """The turn as one message, under the first one's `ts`."""
        return replace(self.messages[0], text=self.text)


def question_for(answer: Message, before: Sequence[Message]) -> Message | None:
    """The question that `answer` answers, or None when none stands out.

    In a thread that is its root. In a flat channel it is the likeliest question among the messages
    `before` (oldest first), joined with the asker's other messages in the same turn.
    """
    if answer.thread_ts and answer.thread_ts != answer.ts:
        root = next((m for m in before if m.ts == answer.thread_ts), None)
        return root if root is not None and root.author != answer.author else None
    turns = list(_turns(_flat(before)))
    reply = Turn((answer,))
    scored = [
        (_score(turns[:at], turn, turns[at + 1 :], reply, []), at)
        for at, turn in enumerate(turns)
        if at >= len(turns) - ANSWERS and _may_answer(turn, reply)
    ]
    score, at = max(scored, default=(-math.inf, 0))
    return turns[at].whole() if _confidence(score) > 0.5 else None


def mine(messages: Sequence[Message]) -> list[Found]:
    """Question and answer pairs of one channel, oldest first; each question at most once.

    `messages` are of people, by time. Threads are read by themselves, the flat channel as a whole.
    """
    threads = [found for thread in _threads(messages) for found in [mine_thread(thread)] if found]
    replied = {m.thread_ts for m in messages if m.thread_ts and m.thread_ts != m.ts}
    alone = (m for m in _flat(messages) if m.ts not in replied)
    return sorted([*threads, *mine_flat(alone)], key=lambda found: found.question.at)


def mine_flat(messages: Iterable[Message]) -> Iterator[Found]:
    """Pairs of a channel outside threads, in the order of their questions.

    `messages` come one by one, by time, and only some dozens of turns are kept: memory does not grow.
    """
    before: deque[Turn] = deque(maxlen=AROUND)
    ahead: deque[Turn] = deque()
    turns = _turns(messages)
    while True:
        while len(ahead) <= ANSWERS + AROUND and (turn := next(turns, None)) is not None:
            ahead.append(turn)
        if not ahead:
            return
        question = ahead.popleft()
        if _asks(question):
            yield from _best_answer(list(before), question, list(ahead))
        before.append(question)


def conversations(messages: Iterable[Message]) -> Iterator[tuple[Message, ...]]:
    """Messages of a channel outside threads, by time, parted into conversations; every message is in one.

    A turn joins the conversation of the earlier turn that it likeliest goes on from, or opens another
    one where nothing speaks for that more than against it. Only conversations that may still go on are
    kept: memory does not grow, and each turn is weighed against some dozen others.
    """
    recent: deque[_Place] = deque(maxlen=ANSWERS)
    open_: list[_Talk] = []
    for turn in _turns(messages):
        over = [talk for talk in open_ if turn.begins - talk.ends > LULL]
        yield from (talk.messages() for talk in over)
        open_ = [talk for talk in open_ if talk not in over]
        talk = _goes_on_from(turn, list(recent)) or _Talk()
        if talk not in open_ or len(talk.turns) >= LONGEST_CONVERSATION:
            talk = _Talk()
            open_.append(talk)
        talk.turns.append(turn)
        recent.append(_Place(turn, talk, topic(turn.text)))
    yield from (talk.messages() for talk in open_)


@dataclass(slots=True, eq=False)
class _Talk:
    """A conversation that may still go on."""

    turns: list[Turn] = field(default_factory=list)

    @property
    def ends(self) -> float:
        return self.turns[-1].ends

    def messages(self) -> tuple[Message, ...]:
        return tuple(message for turn in self.turns for message in turn.messages)


@dataclass(frozen=True, slots=True)
class _Place:
    """A turn, the conversation that it is in, and the words that say what it is about."""

    turn: Turn
    talk: _Talk
    words: frozenset[str]


def _goes_on_from(turn: Turn, recent: Sequence[_Place]) -> _Talk | None:
    """The conversation that the turn belongs to; None where it opens another one."""
    about = topic(turn.text)
    scored = [
        (_belongs(place, len(recent) - 1 - at, turn, about), at)
        for at, place in enumerate(recent)
        if turn.begins - place.turn.ends <= LULL
    ]
    score, at = max(scored, default=(-math.inf, 0))
    return recent[at].talk if scored and _confidence(score) > 0.5 else None


def _belongs(place: _Place, between: int, turn: Turn, about: frozenset[str]) -> float:
    """Evidence, in logits, that a turn goes on from an earlier one."""
    before = place.turn
    is_named, is_asked = before.author in turn.mentions, turn.author in before.mentions
    is_own = before.author == turn.author
    takes_part = any(each.author == turn.author for each in place.talk.turns)
    score = NAMED * is_named - NAMED * (bool(turn.mentions) and not is_named and not is_own)
    score += ASKED * is_asked + ASKED_OTHERS * (bool(before.mentions) and not (is_asked or is_own))
    score += 0.0 if is_named or is_asked else BETWEEN * between
    score += MINUTES * math.log1p(max(0.0, turn.begins - before.ends) / 60)
    score += OWN * is_own + TALKING * takes_part + SAME_WORDS * bool(about & place.words)
    return score + ASKS_ANEW * (_asks(turn) and not takes_part and not is_named)


def mine_thread(thread: Sequence[Message]) -> Found | None:
    """In a thread (oldest first) the root asks; the longest reply of another person is the likeliest answer."""
    root = thread[0]
    replies = [m for m in thread[1:] if m.author != root.author and not asks(m.text)]
    if not asks(root.text) or not replies:
        return None
    best = max(replies, key=lambda m: len(m.text))
    thanked = any(m.author == root.author and _THANKS.search(m.text) for m in thread[1:])
    return Found(
        question=root,
        answer=best,
        confidence=0.95 if thanked else 0.85,
        question_parts=(root.ts,),
        answer_parts=(best.ts,),
    )


def asks(text: str) -> bool:
    """Whether a message reads as a question."""
    return bool(_ASKS.search(_CODE.sub(" ", text)))


def _asks(turn: Turn) -> bool:
    return any(asks(message.text) for message in turn.messages)


def _best_answer(before: list[Turn], question: Turn, ahead: list[Turn]) -> Iterator[Found]:
    scored = [
        (_score(before, question, ahead[:at], answer, ahead[at + 1 :]), -at)
        for at, answer in enumerate(ahead[:ANSWERS])
        if _may_answer(question, answer)
    ]
    if scored:
        score, place = max(scored)
        answer = ahead[-place]
        yield Found(
            question=question.whole(),
            answer=answer.whole(),
            confidence=_confidence(score),
            question_parts=question.parts,
            answer_parts=answer.parts,
        )


def _may_answer(question: Turn, answer: Turn) -> bool:
    gap = answer.begins - question.ends
    return question.author != answer.author and 0 <= gap <= WINDOW and _asks(question)


def _score(
    before: Sequence[Turn],
    question: Turn,
    between: Sequence[Turn],
    answer: Turn,
    after: Sequence[Turn],
) -> float:
    """Evidence, in logits, that one turn answers the other, from what was said around them."""
    is_named = question.author in answer.mentions
    is_asked = answer.author in question.mentions
    score = NAMED * is_named - NAMED * (bool(answer.mentions) and not is_named)
    score += ASKED * is_asked + ASKED_OTHERS * (bool(question.mentions) and not is_asked)
    score += 0.0 if is_named or is_asked else BETWEEN * len(between)
    score += MINUTES * math.log1p((answer.begins - question.ends) / 60)
    talking = {turn.author for turn in before if question.begins - turn.ends <= WINDOW}
    score += TALKING * len(talking & {question.author, answer.author})
    score += ANSWERED * (bool(after) and _goes_on(question, answer, after[0]))
    return score + ASKS_BACK * _asks(answer)


def _goes_on(question: Turn, answer: Turn, later: Turn) -> bool:
    return later.author == question.author and later.begins - answer.ends <= WINDOW


def _confidence(score: float) -> float:
    return 1.0 / (1.0 + math.exp(-(PLAUSIBLE + score / SPREAD)))


def _flat(messages: Iterable[Message]) -> Iterator[Message]:
    return (m for m in messages if not m.thread_ts or m.thread_ts == m.ts)


def _turns(messages: Iterable[Message]) -> Iterator[Turn]:
    gathered: list[Message] = []
    for message in messages:
        same = gathered and gathered[-1].author == message.author
        goes_on = same and message.at - gathered[-1].at <= TURN_GAP
        if gathered and not (goes_on and len(gathered) < LONGEST_TURN):
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
