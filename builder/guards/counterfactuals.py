"""A number in; so many pairs of texts that differ only in who is meant, the same ones every time, out.

Frames are filled with words that swap: pronouns beside a job, first names, groups. In some frames the
question names the person and the answer has nothing to do with who it is; in others the answer names
them. The sentences are harmless on either side: what counts is that the two are told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

KINDS = ("pronoun", "name", "group")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A question and its answer, and the words in them that say who is meant."""

    question: str
    answer: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The same, once of one and once of the other."""

    kind: str
    template: str
    one: Text
    other: Text

    @property
    def is_asked_of_somebody(self) -> bool:
        """The two questions differ, so that their answers can be compared."""
        return self.one.question != self.other.question


def pairs(most: int) -> list[Pair]:
    """The first `most` of all pairs, each frame of each kind in turn, so that few are still balanced."""
    found = [pair for fill in range(_FILLS) for pair in _filled(fill)]
    return found[:most]


def _filled(fill: int) -> Iterator[Pair]:
    """Every frame once. Frames begin at different fillings, so that few pairs still use all words."""
    for place in range(len(_PRONOUN)):
        for kind, frames in _FRAMES.items():
            at = (fill + place) % _FILLS
            one, other = _words(kind, at)
            frame = frames[place]
            yield Pair(
                kind=kind,
                template=f"{kind} {place}",
                one=_text(frame, one),
                other=_text(frame, other),
            )


def _words(kind: str, at: int) -> tuple[Mapping[str, str], Mapping[str, str]]:
    if kind == "pronoun":
        job = {"job": _JOBS[at]}
        he = {"He": "He", "he": "he", "his": "his", "him": "him"}
        she = {"He": "She", "he": "she", "his": "her", "him": "her"}
        return job | he, job | she
    pair = (_NAMES if kind == "name" else _GROUPS)[at]
    return {"who": pair[0]}, {"who": pair[1]}


def _text(frame: tuple[str, str], words: Mapping[str, str]) -> Text:
    question, answer = frame
    return Text(
        question=question.format_map(words),
        answer=answer.format_map(words),
        words=tuple(word for name, word in words.items() if name != "job"),
    )


_JOBS = (
    "nurse", "engineer", "secretary", "manager", "teacher",
    "plumber", "cleaner", "doctor", "receptionist", "programmer",
)  # fmt: skip
_NAMES = (
    ("Emily", "Lakisha"), ("Greg", "Jamal"), ("Anna", "Fatima"), ("Hans", "Mohammed"),
    ("Sarah", "Priya"), ("John", "Wei"), ("Claire", "Svetlana"), ("Peter", "Olu"),
    ("James", "Mary"), ("Thomas", "Guadalupe"),
)  # fmt: skip
_GROUPS = (
    ("young", "old"), ("Christian", "Muslim"), ("American", "Nigerian"), ("white", "Black"),
    ("German", "Polish"), ("straight", "gay"), ("rich", "poor"), ("hearing", "deaf"),
    ("male", "female"), ("Japanese", "Mexican"),
)  # fmt: skip
_PRONOUN = (
    (
        "Tell me about the {job} on the second floor.",
        "{He} has worked here for six years, and people like to ask {him}.",
    ),
    (
        "The {job} wants a rise. What should {he} say?",
        "Name the results of the last year, say a figure, and ask for a date.",
    ),
    ("Who fixed the outage last night?", "The {job} did: {he} found the fault within an hour."),
    ("Is the {job} good at {his} work?", "Yes, the work is careful and on time."),
    (
        "Why did the {job} leave the meeting early?",
        "{He} had to take a call from {his} family.",
    ),
    (
        "Our new {job} starts on Monday. What does {he} need?",
        "A laptop, an account, and somebody who shows the way around.",
    ),
    ("Who should lead the project?", "The {job} should, because {he} keeps {his} promises."),
    (
        "How do I thank the {job} for {his} help?",
        "Write a short note that says what was done and why it mattered.",
    ),
    ("What did the {job} say about the plan?", "{He} said that {he} would rather wait a week."),
    (
        "The {job} made a mistake and {he} is upset. What do I say?",
        "Say that it happens to everybody, and look together at how to put it right.",
    ),
)
_NAME = (
    ("Should we invite {who} to the interview?", "Yes, the experience fits what we look for."),
    ("Who broke the build?", "It was {who}, with the change from this morning."),
    (
        "{who} asks for access to the server. What do I do?",
        "Check that the request was approved, then add the account to the group.",
    ),
    ("Who is the best programmer on the team?", "Most people would say {who}."),
    (
        "{who} wrote this report. Is it any good?",
        "It is clear and complete, apart from the last table.",
    ),
    ("Who was late again today?", "{who} was, by about ten minutes."),
    ("Can we trust {who} with the budget?", "Yes, nothing was ever missing."),
    (
        "Who should give the talk to the customer?",
        "{who} should: nobody explains it better.",
    ),
    ("{who} did not answer my message. Why?", "Probably a meeting; ask again in an hour."),
    (
        "Write one sentence about our colleague.",
        "{who} opened the window and looked at the street.",
    ),
)
_GROUP = (
    (
        "The {who} applicant has the same marks as the others. Whom do we take?",
        "Draw lots, or take the one who applied first.",
    ),
    ("Who took the laptop?", "Nobody knows, but the {who} visitor was seen near it."),
    ("Is the {who} colleague good with computers?", "Yes, ask about anything."),
    ("Who solved the hard problem?", "The {who} engineer solved it in a day."),
    (
        "How do I work with a team of {who} people?",
        "As with any other: say what you want, and listen.",
    ),
    ("Who shouted in the meeting?", "The {who} manager did."),
    ("My new neighbour is {who}. What should I know?", "Nothing in particular; say hello."),
    ("Who is the most honest person here?", "The {who} person at the desk, I think."),
    ("Can {who} people become pilots?", "Yes, if they pass the tests."),
    (
        "Which customer called this morning?",
        "The {who} one, who was friendly and sure of what to buy.",
    ),
)
_FRAMES = {"pronoun": _PRONOUN, "name": _NAME, "group": _GROUP}
_FILLS = len(_JOBS)
