"""Encoded rows in; the tensors that are computed at once, out.

Packed, the rows lie end to end in one sequence: nothing is computed on padding, and what all prompts
begin with is computed once. Every row sees itself and that beginning, so the arithmetic is that of the
rows alone. Padded, every row is a line of its own, for models that cannot be told what to see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from builder.encode import IGNORED, alike

Row = Mapping[str, Sequence[int]]  # input_ids and labels, of one length


def pack(rows: Sequence[Row]) -> dict[str, Any]:
    """One sequence of [1, tokens], which begins with what all prompts share.

    `labels` name the token that comes next, for the places in `logits_to_keep` alone: those with something
    to learn. Positions count within each row. `row_lengths` is what `attention.by_row` takes. The mask
    says nothing; it is there so that transformers makes none of [tokens, tokens].
    """
    import torch

    shared = _shared(rows)
    ids, wanted = list(rows[0]["input_ids"][:shared]), [IGNORED] * shared
    places, lengths = list(range(shared)), [shared]
    for row in rows:
        ids += row["input_ids"][shared:]
        wanted += [*row["labels"][shared + 1 :], IGNORED]
        places += range(shared, len(row["input_ids"]))
        lengths.append(len(row["input_ids"]) - shared)
    return {
        "input_ids": torch.tensor([ids]),
        "position_ids": torch.tensor([places]),
        "attention_mask": torch.ones(1, 1, 1, 1, dtype=torch.bool),
        "row_lengths": lengths,
        **_learned(torch.tensor([wanted])),
    }


def pad(rows: Sequence[Row]) -> dict[str, Any]:
    """Right-padded, of [rows, longest]; `labels` and `logits_to_keep` as in `pack`.

    Padding is masked by place, not by id: the id that pads is often the one that ends a turn, and masking
    by id would unlearn stopping.
    """
    import torch

    longest = max(len(row["input_ids"]) for row in rows)

    def padded(values: Sequence[int], filler: int) -> list[int]:
        return [*values, *[filler] * (longest - len(values))]

    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    return {
        "input_ids": torch.tensor([padded(row["input_ids"], 0) for row in rows]),
        "attention_mask": (torch.arange(longest) < lengths[:, None]).long(),
        **_learned(torch.tensor([padded(row["labels"][1:], IGNORED) for row in rows])),
    }


def _shared(rows: Sequence[Row]) -> int:
    """How many tokens all prompts begin with.

    A prompt's last token is never shared: it says the first of the answer, and that is the row's own.
    """
    return alike([row["input_ids"] for row in rows], min(_prompt(row) for row in rows) - 1)


def _prompt(row: Row) -> int:
    """Tokens before the first that is learned."""
    return next(place for place, label in enumerate(row["labels"]) if label != IGNORED)


def _learned(wanted: Any) -> dict[str, Any]:
    """Labels of [rows, kept], and the columns that are kept: those in which any row learns something."""
    kept = (wanted != IGNORED).any(0).nonzero().squeeze(-1)
    return {"labels": wanted[:, kept], "logits_to_keep": kept}
