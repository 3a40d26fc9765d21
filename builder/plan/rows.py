"""Encoded rows in; how many tokens they hold, how long they are, and what is left out, out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from builder.encode import Example
from builder.recipes import Recipe

NAMED = 5  # rows left out that are named; the run's folder lists all


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The rows that a run trains on."""

    fitting: Sequence[Example]  # shortest first
    prompt_tokens: int
    answer_tokens: int
    lengths: tuple[int, ...]  # shortest, quartiles, longest
    left_out: int
    left_out_why: tuple[str, ...]

    @property
    def longest(self) -> int:
        return self.lengths[-1]

    def drawn(self, recipe: Recipe) -> int:
        """How many are drawn, each with its rows, in a pass."""
        return len(self.fitting) // recipe.rows_each


def count(examples: Sequence[Example], most: int) -> Counted:
    """Sort out what is longer than `most` tokens, and count the rest.

    Raises:
        BadInput: no row fits.
    """
    from builder import encode

    fitting, _ = encode.fitting(examples, most)
    lengths = sorted(len(row.input_ids) for row in fitting)
    middle = quantiles(lengths, n=4, method="inclusive") if len(lengths) > 1 else lengths * 3
    learned = sum(row.learned for row in fitting)
    long = [row for row in examples if len(row.input_ids) > most]
    return Counted(
        fitting=sorted(fitting, key=lambda row: len(row.input_ids)),
        prompt_tokens=sum(lengths) - learned,
        answer_tokens=learned,
        lengths=(lengths[0], *(round(one) for one in middle), lengths[-1]),
        left_out=len(long),
        left_out_why=tuple(_why(row, most) for row in long[:NAMED]),
    )


def _why(row: Example, most: int) -> str:
    size = len(row.input_ids)
    what = f"pair {row.pair_id}" if row.pair_id else "an answer with a thumb"
    return (
        f"{what} has {size:,} tokens ({size - row.learned:,} of the prompt, "
        f"{row.learned:,} of the answer), and max_tokens is {most:,}"
    )
