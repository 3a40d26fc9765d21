"""Corrections and thumbs in; the preferences that are learned from, those that are held out, and why others are not used, out.

Nothing that was said in private is among them: a correction follows its row's scope (`builder.freeze`),
and a thumb the rules of `builder.judged`. Nothing held out is learned by way of a thumb, either.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Connection

from builder import judged
from builder.dataset import Row
from builder.judged import Judged, without_numbers
from builder.recipes import Recipe
from lorekeeper.errors import BadInput
from lorekeeper.settings import Settings
from lorekeeper.similar import Neighbours
from lorekeeper.text import normalise

FEWEST = 24
"""Fewer preferences teach nothing: the smallest sets with published gains hold hundreds."""
EXPERIMENTAL = 100
"""No result with fewer is known to us."""


class Kind(StrEnum):
    CORRECTION = "correction"  # a person worded the answer anew, and a reviewer approved it
    THUMBS = "thumbs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer to a question, and whether it helped."""

    question: str
    answer: str
    helpful: bool
    kind: Kind
    conversation: str  # where it was asked
    pair_id: int = 0  # of a correction


Preferred = tuple[Said, ...]  # the better answer and the worse one; or, for KTO, one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What people prefer. A question stands on one side only."""

    train: tuple[Preferred, ...]
    heldout: tuple[Preferred, ...]
    left_out: Mapping[str, int]  # why, and how many
    note: str = ""  # what to think of the result, where there is little to learn from


def collect(
    db: Connection,
    settings: Settings,
    recipe: Recipe,
    train: Sequence[Row],
    heldout: Sequence[Row],
) -> Collected:
    """What the recipe's method learns from, as things are now.

    Raises:
        BadInput: that is too little.
    """
    thumbs = judged.answers(db, settings.bot.train_on)
    find = opinions if recipe.preference == "kto" else pairs
    return find(train, heldout, thumbs, share=settings.train.heldout)


def pairs(
    train: Sequence[Row], heldout: Sequence[Row], thumbs: Sequence[Judged], *, share: float
) -> Collected:
    """For DPO: corrections, and questions of which one answer was liked and another was not.

    `share` of the questions with thumbs is held out; corrections are where their rows are. A question
    has one pair from thumbs, its newest, so that what is asked often does not outweigh the rest.

    Raises:
        BadInput: there are fewer than `FEWEST` to learn from.
    """
    left_out: Counter[str] = Counter()
    learn, keep = _corrections(train, left_out), _corrections(heldout, left_out)
    for told in _by_question(_usable(thumbs, heldout, left_out)):
        liked, disliked = _newest(told, helpful=True), _newest(told, helpful=False)
        if liked is None or disliked is None:
            why = "a question with thumbs of one kind only, from which KTO learns"
            left_out[why] += len(told)
            continue
        (keep if is_held_out(liked.question, share) else learn).append((liked, disliked))
    return _collected(learn, keep, left_out)


def opinions(
    train: Sequence[Row], heldout: Sequence[Row], thumbs: Sequence[Judged], *, share: float
) -> Collected:
    """For KTO: every answer with a thumb, and of each correction the new answer and the one that it replaces.

    Raises:
        BadInput: there are fewer than `FEWEST` to learn from, or fewer than half of that of one kind.
    """
    left_out: Counter[str] = Counter()
    learn = [(said,) for pair in _corrections(train, left_out) for said in pair]
    keep = [(said,) for pair in _corrections(heldout, left_out) for said in pair]
    told = {_key(said) for (said,) in [*learn, *keep]}
    for said in _usable(thumbs, heldout, left_out):
        if _key(said) in told:
            left_out["a correction says it already"] += 1
        else:
            (keep if is_held_out(said.question, share) else learn).append((said,))
    for helpful, name in ((True, "helpful"), (False, "unhelpful")):
        count = sum(said.helpful is helpful for (said,) in learn)
        if count < FEWEST // 2:
            raise BadInput(
                f"There are {count} {name} answers to learn from; KTO needs at least {FEWEST // 2} of each kind.",
                fix="Ask people for thumbs, up and down, and try again.",
            )
    return _collected(learn, keep, left_out)


def is_held_out(question: str, share: float) -> bool:
    """Whether thumbs on this question are never learned from. A question stays on its side for ever."""
    digest = hashlib.sha256(normalise(question).encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def _corrections(rows: Sequence[Row], left_out: Counter[str]) -> list[Preferred]:
    found: list[Preferred] = []
    for row in rows:
        if not row.rejected_answer:
            continue
        better = Said(
            question=row.question,
            answer=row.answer,
            helpful=True,
            kind=Kind.CORRECTION,
            conversation=row.conversation,
            pair_id=row.pair_id,
        )
        worse = replace(better, answer=without_numbers(row.rejected_answer), helpful=False)
        if _key(better) == _key(worse):
            left_out["the correction says the same"] += 1
        else:
            found.append((better, worse))
    return found


def _usable(thumbs: Sequence[Judged], heldout: Sequence[Row], left_out: Counter[str]) -> list[Said]:
    """Without what would tell held-out answers, and with the newest opinion of each answer; oldest first."""
    known = Neighbours[int]()
    for row in heldout:
        known.put(row.pair_id, row.question, row.answer)
    places = {row.conversation for row in heldout}
    ids = {row.pair_id for row in heldout}
    found: dict[tuple[str, str], Said] = {}
    for one in thumbs:
        if one.conversation in places or ids & set(one.cited) or known.of(one.question, one.answer):
            left_out["it tells what a held-out question asks"] += 1
            continue
        said = Said(
            question=one.question,
            answer=one.answer,
            helpful=one.helpful,
            kind=Kind.THUMBS,
            conversation=one.conversation,
        )
        if found.pop(_key(said), None) is not None:
            left_out["there is a newer opinion of the same answer"] += 1
        found[_key(said)] = said
    return list(found.values())


def _by_question(thumbs: Sequence[Said]) -> list[list[Said]]:
    groups: defaultdict[str, list[Said]] = defaultdict(list)
    for one in thumbs:
        groups[normalise(one.question)].append(one)
    return list(groups.values())


def _newest(judged: Sequence[Said], *, helpful: bool) -> Said | None:
    return next((one for one in reversed(judged) if one.helpful is helpful), None)


def _key(said: Said) -> tuple[str, str]:
    return normalise(said.question), normalise(said.answer)


def _collected(
    learn: Sequence[Preferred], keep: Sequence[Preferred], left_out: Counter[str]
) -> Collected:
    if len(learn) < FEWEST:
        reasons = "; ".join(f"{count} left out: {why}" for why, count in left_out.items())
        raise BadInput(
            f"There are {len(learn)} preferences to learn from{f' ({reasons})' if reasons else ''}; "
            f"a run needs at least {FEWEST}.",
            fix="Correct answers and give thumbs, or tune with another recipe.",
        )
    note = ""
    if len(learn) < EXPERIMENTAL:
        note = (
            f"Experimental: {len(learn)} preferences are few, and no result with fewer than "
            f"{EXPERIMENTAL} is known to us. Trust the held-out figures, not the training loss."
        )
    return Collected(train=tuple(learn), heldout=tuple(keep), left_out=dict(left_out), note=note)
