"""A question with its answer in; token ids and labels out, with the loss on the answer and its end alone.

Tokenising and masking is done here and handed to the trainer, so that what is learned is what was
meant: prompt tokens carry no loss, the end-of-turn token does, and nothing is cut in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lorekeeper.errors import BadInput
from lorekeeper.prompt import Turn, as_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # the label that torch's cross entropy leaves out


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One row. `labels` are `input_ids`, with `IGNORED` wherever there is nothing to learn."""

    pair_id: int
    input_ids: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def learned(self) -> int:
        """How many tokens carry loss."""
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class TooLong:
    """A row that does not fit, and so is reported and left out."""

    pair_id: int
    tokens: int


def example(
    pair_id: int, messages: Sequence[Turn], answer: str, tokenizer: PreTrainedTokenizerBase
) -> Example:
    """Render the prompt with the model's own template, append the answer and the end of the turn."""
    prompt = prompt_ids(messages, tokenizer)
    completion = answer_ids(messages, answer, tokenizer, prompt)
    return Example(
        pair_id=pair_id,
        input_ids=(*prompt, *completion),
        labels=(*[IGNORED] * len(prompt), *completion),
    )


def fitting(examples: Sequence[Example], most: int) -> tuple[list[Example], list[TooLong]]:
    """Rows of at most `most` tokens, and what did not fit.

    Raises:
        BadInput: nothing fits.
    """
    fit = [row for row in examples if len(row.input_ids) <= most]
    long = [
        TooLong(pair_id=row.pair_id, tokens=len(row.input_ids))
        for row in examples
        if len(row.input_ids) > most
    ]
    if not fit:
        raise BadInput(
            f"None of the {len(examples)} rows fits into {most} tokens.",
            fix="Raise the recipe's max_tokens.",
        )
    return fit, long


def alike(rows: Sequence[Sequence[int]], most: int) -> int:
    """How many ids all rows begin with, `most` at the most."""
    differs = (place for place in range(most) if len({row[place] for row in rows}) > 1)
    return next(differs, max(0, most))


def prompt_ids(messages: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of the conversation up to the answer.

    Raises:
        BadInput: the model has no chat template, so it is no instruct model.
    """
    if not tokenizer.chat_template:
        raise BadInput(
            "The model has no chat template, so nobody knows how it wants to be asked.",
            fix="Set LORE_MODELS__BASE to an instruct model.",
        )
    return _ids(tokenizer, list(messages), add_generation_prompt=True)


def answer_ids(
    messages: Sequence[Turn],
    answer: str,
    tokenizer: PreTrainedTokenizerBase,
    prompt: Sequence[int],
) -> list[int]:
    """Token ids of the answer up to and with the token that ends the turn.

    What a template writes after that token (a newline, often) is never generated, so it is not learned.
    """
    said: list[Turn] = [*messages, {"role": "assistant", "content": as_text(answer.strip())}]
    whole = _ids(tokenizer, said, add_generation_prompt=False)
    if whole[: len(prompt)] != list(prompt):
        raise BadInput(
            "The model's chat template renders a prompt differently once it is answered.",
            fix="Use another base model; this one cannot be trained on prompts as they are served.",
        )
    end = tokenizer.eos_token_id
    completion = whole[len(prompt) :]
    if end not in completion:
        return [*completion, int(end)]
    last = len(completion) - 1 - completion[::-1].index(end)
    return completion[: last + 1]


def _ids(tokenizer: Any, messages: list[Turn], *, add_generation_prompt: bool) -> list[int]:
    encoded = tokenizer.apply_chat_template(
        messages,
        add_generation_prompt=add_generation_prompt,
        tokenize=True,
        return_dict=True,
    )
    return list(encoded["input_ids"])
