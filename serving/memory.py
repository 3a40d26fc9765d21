"""A model's folder, a precision and a context in; the bytes that serving them takes, and a refusal where they are not there, out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from lorekeeper import hardware
from lorekeeper.errors import BadInput

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
BESIDE = 1.2  # activations, the runtime's own, and fragments, on top of weights and cache
_HEADER = 8  # bytes of a safetensors file that hold the length of its header


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What an engine needs, in bytes, and how long a conversation may get, in tokens."""

    weights: int
    cache_per_token: int
    context: int

    @property
    def least(self) -> int:
        """With the cache of a single conversation of full length."""
        return round((self.weights + self.context * self.cache_per_token) * BESIDE)


def needs(model: Path, precision: str, context: int) -> Needs:
    """Read from the model's own files. A context beyond what it was made for is cut to that."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config", config)
    width = BYTES[precision]
    return Needs(
        weights=parameters(model) * width,
        cache_per_token=_cache_per_token(config, width),
        context=min(context, config.get("max_position_embeddings", context)),
    )


def parameters(model: Path) -> int:
    """How many numbers the model has, from the headers of its safetensors files."""
    shapes = [
        about["shape"]
        for path in model.glob("*.safetensors")
        for name, about in header(path).items()
        if name != "__metadata__"
    ]
    return sum(prod(shape) for shape in shapes)


def header(path: Path) -> dict[str, Any]:
    """Name to type, shape and place of each tensor. Reads no weights.

    Raises:
        ValueError: the file is cut off, or is no safetensors file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_HEADER), "little")
        if size < _HEADER or length > size - _HEADER:
            raise ValueError(f"{path.name} is cut off in its header ({size} bytes)")
        told: dict[str, Any] = json.loads(file.read(length))
    ends = [about["data_offsets"][1] for name, about in told.items() if name != "__metadata__"]
    expected = _HEADER + length + max(ends, default=0)
    if size != expected:
        raise ValueError(f"{path.name} has {size} bytes instead of {expected}")
    return told


def refuse_too_little(needed: Needs, model: Path, *, on_gpu: bool) -> None:
    """Refuse before the engine is started what it would fail at minutes later.

    Raises:
        BadInput: says how much is needed and how much is free.
    """
    free = max(hardware.free_gpu_memory(), default=0) if on_gpu else hardware.free_memory()
    if free is None or needed.least <= free:
        return
    place = "the GPU" if on_gpu else "this machine"
    raise BadInput(
        f"{model.name} needs {_gib(needed.least)} with {needed.context} tokens of context, and"
        f" {place} has {_gib(free)} free.",
        fix="End what uses the memory, lower LORE_SERVING__CONTEXT_TOKENS, set"
        " LORE_SERVING__DTYPE=bfloat16, or take a smaller LORE_MODELS__BASE.",
    )


def _cache_per_token(config: dict[str, Any], width: int) -> int:
    """Keys and values of every layer."""
    heads = config.get("num_attention_heads", 1)
    size = config.get("head_dim") or config.get("hidden_size", 0) // heads
    layers = config.get("num_hidden_layers", 0)
    return int(2 * layers * config.get("num_key_value_heads", heads) * size * width)


def _gib(amount: int) -> str:
    return f"{amount / 2**30:.1f} GiB"
