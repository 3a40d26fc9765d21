"""Collected preferences in; token ids as they are trained on, with what the reference thinks of them, out.

They are kept in the run's work folder: a run that goes on learns from the same, whatever was said since.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from builder import aware, encode
from builder.dataset import Row
from builder.library import Library
from builder.preference.rows import Collected, Preferred, Said
from builder.recipes import Recipe
from lorekeeper import prompt
from lorekeeper.artifacts import write_whole
from lorekeeper.domain import PUBLIC, Passage
from lorekeeper.prompt import Turn
from lorekeeper.store.rows import plain, revive

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KEPT = "preferences.json"

Think = Callable[[Sequence[encode.Example]], list[float]]  # nats of each whole answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An encoded answer."""

    example: encode.Example
    helpful: bool
    reference: float = 0.0  # nats of the whole answer, by the adapter that training starts from


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is learned at once: a better answer and a worse one; or one answer and a stranger.

    The stranger is an answer to another question: it shows how far the model has moved at all (KTO).
    """

    answers: tuple[Known, ...]
    stranger: Known | None = None

    @property
    def rows(self) -> tuple[Known, ...]:
        return self.answers if self.stranger is None else (*self.answers, self.stranger)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    train: tuple[Unit, ...]
    heldout: tuple[Unit, ...]
    too_long: tuple[encode.Example, ...]  # the longer answer of each preference that is left out


def encoded(
    found: Collected, recipe: Recipe, library: Library, tokenizer: PreTrainedTokenizerBase
) -> Encoded:
    """Every preference below the prompt that its question is asked with. Nothing is cut."""
    chance = random.Random(recipe.seed)  # noqa: S311 - which rows get passages is no secret
    sides = []
    too_long: list[encode.Example] = []
    for side in (found.train, found.heldout):
        asked = [(_messages(one, recipe, library, chance), one) for one in side]
        units = [_unit(messages, one, tokenizer) for messages, one in asked]
        longest = [
            max((row.example for row in unit.answers), key=lambda row: len(row.input_ids))
            for unit in units
        ]
        fits = [n for n, row in enumerate(longest) if len(row.input_ids) <= recipe.max_tokens]
        too_long += [row for row in longest if len(row.input_ids) > recipe.max_tokens]
        if recipe.preference == "kto":
            units = _with_strangers(
                [units[place] for place in fits],
                [asked[place] for place in fits],
                recipe,
                tokenizer,
            )
        else:
            units = [units[place] for place in fits]
        sides.append(tuple(units))
    train, heldout = sides
    return Encoded(train=train, heldout=heldout, too_long=tuple(too_long))


def with_reference(made: Encoded, think: Think) -> Encoded:
    """The same, with what the model thinks of every answer now."""
    examples = [
        row.example for side in (made.train, made.heldout) for unit in side for row in unit.rows
    ]
    thoughts = iter(think(examples))

    def known(unit: Unit) -> Unit:
        answers = tuple(replace(row, reference=next(thoughts)) for row in unit.answers)
        stranger = unit.stranger and replace(unit.stranger, reference=next(thoughts))
        return Unit(answers=answers, stranger=stranger)

    return replace(
        made, train=tuple(map(known, made.train)), heldout=tuple(map(known, made.heldout))
    )


def keep(made: Encoded, work: Path) -> None:
    write_whole(work / KEPT, json.dumps(plain(made)))


def kept(work: Path) -> Encoded | None:
    """What an earlier attempt at this run has learned from."""
    file = work / KEPT
    return revive(Encoded, json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def _messages(
    preferred: Preferred, recipe: Recipe, library: Library, chance: random.Random
) -> list[Turn]:
    """The prompt as it is served: with passages, but none from the conversation that tells the answer."""
    said = preferred[0]
    passages: list[Passage] = []
    if chance.random() < recipe.with_passages:
        passages = library.passages(said.question, conversation=said.conversation)
    if said.helpful:  # what a source contradicts is a bad answer, so it may stand beside those
        passages = aware.agreeing(passages, _as_row(said), library)
    return prompt.messages(said.question, passages=passages)


def _as_row(said: Said) -> Row:
    return Row(
        pair_id=said.pair_id,
        question=said.question,
        answer=said.answer,
        conversation=said.conversation,
        source="",
        scope=PUBLIC,
        answer_ts="",
    )


def _unit(
    messages: Sequence[Turn], preferred: Preferred, tokenizer: PreTrainedTokenizerBase
) -> Unit:
    return Unit(
        answers=tuple(
            Known(
                example=encode.example(said.pair_id, messages, said.answer, tokenizer),
                helpful=said.helpful,
            )
            for said in preferred
        )
    )


def _with_strangers(
    units: Sequence[Unit],
    asked: Sequence[tuple[Sequence[Turn], Preferred]],
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
) -> list[Unit]:
    """Each with the answer of another one, every answer once."""
    order = list(range(len(units)))
    random.Random(recipe.seed).shuffle(order)  # noqa: S311
    other = dict(zip(order, [*order[1:], *order[:1]], strict=True))
    made = []
    for place, unit in enumerate(units):
        stranger = asked[other[place]][1][0]
        example = encode.example(0, asked[place][0], stranger.answer, tokenizer)
        made.append(replace(unit, stranger=Known(example=example, helpful=stranger.helpful)))
    return made
