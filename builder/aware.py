"""Rows in; the same rows with the passages that retrieval would bring, and what is to be answered then, out.

Retrieval-aware tuning (RAFT, Zhang et al. 2024): some rows are asked with the right passage among others,
some with others only, some with none. Numbers are not taught: the assistant gives them to sentences that
a passage supports, whatever the model writes (`serving/citations.py`), so what is learned is to say what
the right passage says.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from builder import encode, evaluate
from builder.dataset import Row
from builder.library import Library
from builder.measures.declines import declines
from builder.recipes import Recipe
from builder.scoring import Judged
from lorekeeper import prompt
from lorekeeper.domain import Arm, Passage, Sourced
from lorekeeper.similar import Likeness, Neighbours, figures, words
from lorekeeper.support import contradicts, supporting
from lorekeeper.text import sentences

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


ANSWER_TOKENS = 64  # whether an answer declines, and what it rests on, shows in its first sentences

Given = tuple[Row, Sequence[Passage]]  # a row, and what its question is asked with


class Shown(StrEnum):
    """What a row's question is asked with."""

    NOTHING = "nothing"  # the answer is learned by heart
    RIGHT = "right"  # a passage holds the answer
    OTHERS = "others"  # none does, and the answer is learned by heart
    DECLINED = "declined"  # none does, and that is what is answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One row as it is trained on."""

    row: Row
    shown: Shown
    passages: tuple[Passage, ...]
    answer: str


def examples(
    rows: Sequence[Row], recipe: Recipe, library: Library, tokenizer: PreTrainedTokenizerBase
) -> list[encode.Example]:
    """Every row, encoded as `asked` says."""
    return [
        encode.example(
            one.row.pair_id,
            prompt.messages(one.row.question, passages=one.passages),
            one.answer,
            tokenizer,
        )
        for one in asked(rows, recipe, library)
    ]


def asked(rows: Sequence[Row], recipe: Recipe, library: Library) -> list[Asked]:
    """Every row, with the passages and the answer that the recipe's shares give it.

    A passage that contradicts the answer is never shown with it: what would be learned is to say
    something else than the source.
    """
    chance = random.Random(recipe.seed)  # noqa: S311 - which rows get passages is no secret
    return [_asked(row, recipe, library, chance) for row in rows]


def _asked(row: Row, recipe: Recipe, library: Library, chance: random.Random) -> Asked:
    # All four are drawn for every row, so that a share can be changed without changing the others' rows.
    with_passages, with_own, declined, order = (chance.random() for _ in range(4))
    if with_passages >= recipe.with_passages:
        return Asked(row=row, shown=Shown.NOTHING, passages=(), answer=row.answer)
    own = with_own < recipe.with_own_passage
    found = library.passages(row.question, conversation="" if own else row.conversation)
    passages = agreeing(found, row, library)
    # The row's own question finds its passage first; people's questions do not always.
    random.Random(order).shuffle(passages)  # noqa: S311
    if not passages:
        return Asked(row=row, shown=Shown.NOTHING, passages=(), answer=row.answer)
    if holds_answer(row, passages):
        return Asked(row=row, shown=Shown.RIGHT, passages=tuple(passages), answer=row.answer)
    if declined < recipe.declines:
        return Asked(row=row, shown=Shown.DECLINED, passages=tuple(passages), answer=prompt.UNKNOWN)
    return Asked(row=row, shown=Shown.OTHERS, passages=tuple(passages), answer=row.answer)


def agreeing(passages: Sequence[Passage], row: Row, library: Library) -> list[Passage]:
    """Those that do not contradict the row's answer."""
    return [one for one in passages if not _speaks_against(one, row, library)]


def holds_answer(row: Row, passages: Sequence[Passage]) -> bool:
    """Whether one of them is the row itself, or supports a sentence of its answer."""
    if any(one.pair_id == row.pair_id or one.conversation == row.conversation for one in passages):
        return True
    return any(supporting(said, passages) is not None for said in sentences(row.answer))


def _speaks_against(passage: Passage, row: Row, library: Library) -> bool:
    """Whether the passage answers the same question otherwise, or says the same with another figure or "not"."""
    if passage.pair_id == row.pair_id:
        return False
    if figures(words(row.question)) - figures(words(passage.text)):
        return False  # the question names a number that it lacks: it is about another one
    if any(contradicts(passage, said) for said in sentences(row.answer)):
        return True
    rivals = Neighbours[int]()
    for other in library.train:
        if other.pair_id == passage.pair_id:
            rivals.put(other.pair_id, other.question, other.answer)
    found = rivals.of(row.question, row.answer)
    return any(one.likeness is Likeness.CONFLICT for one in found)


def measure(
    judged: Judged, library: Library, heldout: Sequence[Row], *, most: int
) -> tuple[Sourced, ...]:
    """What base and tuned answer to at most `most` held-out questions, with the right passage and without it.

    Only questions count whose right passage retrieval finds, and that no other passage answers.
    """
    with_right: list[Given] = []
    without: list[Given] = []
    for row in heldout:
        if len(with_right) == most:
            break
        right = library.passages(row.question, conversation="", shown=row.conversation)
        others = library.passages(row.question, conversation=row.conversation)
        if others and holds_answer(row, right) and not holds_answer(row, others):
            with_right.append((row, right))
            without.append((row, others))
    return tuple(
        _measured(judged, arm, with_right, without)
        for arm in (Arm.RETRIEVAL, Arm.TUNED_RETRIEVAL)
        if with_right
    )


def _measured(judged: Judged, arm: Arm, right: Sequence[Given], others: Sequence[Given]) -> Sourced:
    answers = _answers(judged, arm, [*right, *others])
    told, unsure = answers[: len(right)], answers[len(right) :]
    return Sourced(
        arm=arm,
        questions=len(right),
        cites_with=_cited(told, right),
        cites_without=_cited(unsure, others),
        cites_right=_cited_right(told, right),
        declines_with=_share([declines(said) for said in told]),
        declines_without=_share([declines(said) for said in unsure]),
    )


def _answers(judged: Judged, arm: Arm, given: Sequence[Given]) -> list[str]:
    asked = [prompt.messages(row.question, passages=passages) for row, passages in given]
    return evaluate.answer_as(judged, arm, asked, most=ANSWER_TOKENS)


def _cited(answers: Sequence[str], given: Sequence[Given]) -> float:
    """The share of answers of which a sentence would be given a number."""
    return _share(
        [
            any(supporting(said, passages) is not None for said in sentences(answer))
            for answer, (_, passages) in zip(answers, given, strict=True)
        ]
    )


def _cited_right(answers: Sequence[str], given: Sequence[Given]) -> float:
    """Of the sentences that would be given a number, the share that get a right passage's."""
    right = []
    for answer, (row, passages) in zip(answers, given, strict=True):
        numbers = [supporting(said, passages) for said in sentences(answer)]
        right += [holds_answer(row, [passages[at - 1]]) for at in numbers if at is not None]
    return _share(right)


def _share(found: Sequence[bool]) -> float:
    return sum(found) / len(found) if found else 0.0
