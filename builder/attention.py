"""Queries, keys and values of rows that lie end to end in; attention of every row to itself alone, out.

A mask over the whole sequence would say the same, but computes every row against every other first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BY_ROW = "lorekeeper_by_row"  # the name that transformers knows it by
ATTENTION = frozenset(
    {"full_attention", "sliding_attention"}
)  # kinds of layers that `by_row` serves


@contextmanager
def by_row(model: Any) -> Iterator[None]:
    """While this is open, `model` takes `row_lengths`: of the shared beginning, then of every row.

    Without them it attends as before.
    """
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(BY_ROW, _attend)
    ALL_MASK_ATTENTION_FUNCTIONS.register(BY_ROW, sdpa_mask)
    plain = _plain(model)
    plain.set_attn_implementation(BY_ROW)
    try:
        yield
    finally:
        plain.set_attn_implementation("sdpa")


def has_only_attention(model: Any) -> bool:
    """Whether tokens of this model see each other by attention alone, the kind that `by_row` replaces.

    Layers with a running state carry one row's end into the next one's beginning.
    """
    plain = _plain(model)
    config = plain.config.get_text_config()
    return (
        config._attn_implementation in {"sdpa", BY_ROW}
        and not getattr(plain, "_is_stateful", False)
        and set(getattr(config, "layer_types", None) or ()) <= ATTENTION
    )


def _plain(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _attend(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    *,
    row_lengths: list[int] | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[Any, None]:
    """Query of [1, heads, tokens, width] in; [1, tokens, heads, width] out, as transformers wants it."""
    import torch
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

    if row_lengths is None:
        told: tuple[Any, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **others
        )
        return told
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    shared, seen, attended = row_lengths[0], 0, []
    for length in row_lengths:
        own = slice(seen, seen + length)
        before = shared if seen else 0
        attended.append(
            torch.nn.functional.scaled_dot_product_attention(
                query[:, :, own],
                _with_shared(key, before, own),
                _with_shared(value, before, own),
                attn_mask=_mask(before, length, sliding_window, query.device),
                is_causal=not before and not _slides(length, sliding_window),
                scale=scaling,
            )
        )
        seen += length
    return torch.cat(attended, dim=2).transpose(1, 2).contiguous(), None


def _with_shared(values: Any, before: int, own: slice) -> Any:
    import torch

    if not before:
        return values[:, :, own]
    return torch.cat([values[:, :, :before], values[:, :, own]], dim=2)


def _mask(before: int, length: int, window: int | None, device: Any) -> Any:
    """[length, before + length], true where a token may look; None where SDPA's own causal mask says it."""
    import torch

    slides = _slides(before + length, window)
    if not before and not slides:
        return None
    may_look = torch.ones(length, before + length, dtype=torch.bool, device=device).tril(before)
    return may_look.triu(before - window + 1) if window and slides else may_look


def _slides(reach: int, window: int | None) -> bool:
    return window is not None and reach > window
