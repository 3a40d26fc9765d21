"""Encoded conversations in; their answers, a token of each at a step, computed together, out.

Continuous batching (Yu et al., "Orca", OSDI 2022): a row joins when it comes and leaves when it is done,
between two steps. All rows share one cache, padded on the left. Prompts are computed in parts, so that a
long one holds nobody's next token back for longer than a part takes. Rows of different adapters are
computed together, each with its own (peft's `adapter_names`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lorekeeper.domain import BASE_NAME

PART = 256  # tokens of a prompt that are computed between two steps
_NO_ADAPTER = "__base__"  # peft's name for it


@dataclass(slots=True, kw_only=True)
class Joining:
    """A row whose prompt is not computed to its end yet."""

    row: int
    name: str
    tokens: Any  # of shape [1, length]
    cache: Any
    done: int = 0


class Batch:
    """Rows, each with its number, on one cache. Not thread-safe: one thread computes."""

    def __init__(self, *, with_adapters: bool) -> None:
        self.with_adapters = with_adapters  # the model that is given has peft's layers
        self._rows: list[int] = []
        self._names: list[str] = []
        self._last: Any = None  # ids of shape [rows, 1] that the next step begins with
        self._cache: Any = None  # keys and values, padded on the left
        self._mask: Any = None  # of shape [rows, length of the cache]
        self._joining: list[Joining] = []

    def __len__(self) -> int:
        return len(self._rows) + len(self._joining)

    def uses(self, name: str) -> bool:
        """Whether a row is computed with this adapter."""
        return name in self._names or any(each.name == name for each in self._joining)

    def add(self, row: int, name: str, tokens: Any) -> None:
        """Let a conversation join; `tokens` has the shape [1, length]."""
        from transformers import DynamicCache

        joining = Joining(row=row, name=name, tokens=tokens, cache=DynamicCache())
        self._joining.append(joining)

    def leave(self, rows: Sequence[int]) -> None:
        """Take rows out."""
        gone = set(rows)
        self._joining = [each for each in self._joining if each.row not in gone]
        keep = [place for place, row in enumerate(self._rows) if row not in gone]
        if len(keep) == len(self._rows):
            return
        self._rows = [self._rows[place] for place in keep]
        self._names = [self._names[place] for place in keep]
        if not keep:
            self._last = self._cache = self._mask = None
            return
        self._select(keep)

    def prefill(self, model: Any) -> tuple[int, Any] | None:
        """Compute the next part of the oldest prompt; at its end the row, with its scores of shape [1, ids]."""
        if not self._joining:
            return None
        joining = self._joining[0]
        part = joining.tokens[:, joining.done : joining.done + PART]
        scores = self._compute(model, part, joining.cache, [joining.name])
        joining.done += part.shape[1]
        return (joining.row, scores) if joining.done == joining.tokens.shape[1] else None

    def joined(self, chosen: int) -> None:
        """The oldest prompt is computed and its first token chosen: from now on it takes part in steps."""
        import torch

        new = self._joining.pop(0)
        mask = torch.ones_like(new.tokens)
        last = torch.full_like(new.tokens[:, :1], chosen)
        self._rows.append(new.row)
        self._names.append(new.name)
        if self._cache is None:
            self._cache, self._mask, self._last = new.cache, mask, last
            return
        longest = max(mask.shape[1], self._mask.shape[1])
        for ours, theirs in zip(self._cache.layers, new.cache.layers, strict=True):
            ours.keys = torch.cat([_padded(ours.keys, longest), _padded(theirs.keys, longest)])
            ours.values = torch.cat(
                [_padded(ours.values, longest), _padded(theirs.values, longest)]
            )
        self._mask = torch.cat([_filled(self._mask, longest), _filled(mask, longest)])
        self._last = torch.cat([self._last, last])

    def step(self, model: Any) -> Mapping[int, Any]:
        """One more token for every row that has joined: row to its scores, of shape [1, ids]."""
        import torch

        if not self._rows:
            return {}
        self._mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], dim=1)
        scores = self._compute(model, self._last, self._cache, self._names, mask=self._mask)
        return {row: scores[place : place + 1] for place, row in enumerate(self._rows)}

    def chose(self, chosen: Mapping[int, int]) -> None:
        """The tokens that the next step begins with, for every row that took part in this one."""
        for place, row in enumerate(self._rows):
            if row in chosen:
                self._last[place, 0] = chosen[row]

    def _select(self, keep: list[int]) -> None:
        """Only these rows, without the padding that none of them needs."""
        import torch

        at = torch.tensor(keep, device=self._mask.device)
        mask = self._mask[at]
        spare = int(mask.argmax(dim=1).min())
        for layer in self._cache.layers:
            layer.keys = layer.keys[at, :, spare:]
            layer.values = layer.values[at, :, spare:]
        self._mask = mask[:, spare:]
        self._last = self._last[at]

    def _compute(
        self, model: Any, tokens: Any, cache: Any, names: Sequence[str], *, mask: Any = None
    ) -> Any:
        """Scores of the last token of each row, of shape [rows, ids]; the cache grows by the tokens."""
        import torch

        how: dict[str, Any] = {}
        if mask is not None:
            how = {"attention_mask": mask, "position_ids": mask.cumsum(-1)[:, -1:] - 1}
        if self.with_adapters:
            how["adapter_names"] = [_NO_ADAPTER if name == BASE_NAME else name for name in names]
        with torch.inference_mode():
            told = model(
                input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1, **how
            )
        return told.logits[:, -1].float()


def _padded(values: Any, length: int) -> Any:
    """Keys or values, of shape [rows, heads, tokens, size], with zeros on the left."""
    import torch

    return torch.nn.functional.pad(values, (0, 0, length - values.shape[2], 0))


def _filled(mask: Any, length: int) -> Any:
    import torch

    return torch.nn.functional.pad(mask, (length - mask.shape[1], 0))
