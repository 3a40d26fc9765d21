"""A model's shape, a recipe and a batch in; the bytes that training takes at its peak, by part, out. Pure.

The parts are reckoned from the sizes; what depends on the implementation (how many intermediate
values a layer keeps for its gradients) is corrected by a factor that a probe measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from builder.plan.shape import Shape
from builder.recipes import Recipe

NF4_BITS = 4 + 8 / 64 + 32 / (64 * 256)
"""Bits of one NF4 number with double quantisation: 4, an 8-bit scale for each block of 64, and a
32-bit scale for each 256 of those (QLoRA, Dettmers et al. 2023, section 3)."""
ADAMW, ADAMW_8BIT = 8, 2  # bytes of state for each number that learns: two moments in 32 or 8 bits
FLOAT32 = 4
LOGITS = 3  # copies at the peak: the logits, their float32 softmax, and its gradient
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # those that vLLM's kernels know
TOKENS_STEP = 64  # a max_tokens that is proposed is a multiple of this

Parts = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What the run computes on."""

    gpu: bool
    compute_bytes: int  # of one number in the type that is computed in
    free: int | None  # bytes that may be taken; None where nobody tells
    process: int = 0  # bytes that the process holds before the model is loaded
    factor: float = 1.0  # measured activations and logits, over those reckoned here


def training(shape: Shape, recipe: Recipe, tokens: int, device: Device) -> Parts:
    """Bytes at the peak of a step whose largest batch holds `tokens` tokens, padding included."""
    learns = shape.trainable(recipe)
    parts = {
        "weights": _weights(shape, recipe, device),
        "adapter": FLOAT32 * shape.adapter(recipe) if recipe.trains == "adapter" else 0,
        "gradients": FLOAT32 * learns,
        "optimiser": (ADAMW_8BIT if device.gpu else ADAMW) * learns,
        "activations": round(device.factor * _activations(shape, tokens, device)),
        "logits": round(device.factor * LOGITS * FLOAT32 * tokens * shape.vocabulary),
        "process": device.process,
    }
    return {name: size for name, size in parts.items() if size}


def largest(
    recipe: Recipe, free: int, needs: Callable[[Recipe], int], *, adapter: bool = True
) -> list[str]:
    """Settings each of which alone makes the run fit into `free` bytes, as `name=value`.

    `needs` tells the bytes of a recipe. Where no single one is enough, the smallest run of all is
    named if that fits, and nothing otherwise.
    """
    changes = [_batch(recipe, free, needs), _tokens(recipe, free, needs)]
    if adapter:
        changes.append(_rank(recipe, free, needs))
    if recipe.quantization == "none" and adapter:
        changes.append(_changed(recipe, free, needs, quantization="nf4"))
    alone = [change for change in changes if change]
    if alone:
        return alone
    smallest = {"batch_size": 1, "rank": 8, "quantization": "nf4"} if adapter else {"batch_size": 1}
    least = recipe.model_copy(update=smallest)
    if needs(least) <= free:
        return [" ".join(f"{name}={value}" for name, value in smallest.items())]
    shorter = _tokens(least, free, needs)
    return [" ".join([*(f"{n}={v}" for n, v in smallest.items()), shorter])] if shorter else []


def calibrated(device: Device, shape: Shape, recipe: Recipe, tokens: int, peak: int) -> Device:
    """The device with the factor that makes the reckoning give `peak` for the probe's largest batch."""
    plain = replace(device, factor=1.0)
    parts = training(shape, recipe, tokens, plain)
    moving = parts["activations"] + parts["logits"]
    fixed = sum(parts.values()) - moving
    return replace(device, factor=max(0.05, (peak - fixed) / moving))


def _weights(shape: Shape, recipe: Recipe, device: Device) -> int:
    """A quantised base keeps what is not in 4 bits in float32 (peft prepares it so)."""
    if recipe.trains != "adapter":
        return FLOAT32 * shape.parameters
    if recipe.quantization == "none":
        return device.compute_bytes * shape.parameters
    rest = shape.parameters - shape.quantizable
    return round(shape.quantizable * NF4_BITS / 8) + FLOAT32 * rest


def _activations(shape: Shape, tokens: int, device: Device) -> int:
    """Intermediate values that a backward pass needs.

    Counted for a block of attention and a gated MLP with an adapter and dropout on every linear
    layer; on a GPU each block keeps its input only, and one block at a time is computed again
    (gradient checkpointing, Chen et al. 2016).
    """
    block = 15 * shape.hidden + 4 * shape.keys + 4 * shape.intermediate
    kept = shape.layers * shape.hidden + block if device.gpu else shape.layers * block
    return tokens * kept * device.compute_bytes


def _batch(recipe: Recipe, free: int, needs: Callable[[Recipe], int]) -> str:
    for size in range(recipe.batch_size - 1, 0, -1):
        if change := _changed(recipe, free, needs, batch_size=size):
            return change
    return ""


def _tokens(recipe: Recipe, free: int, needs: Callable[[Recipe], int]) -> str:
    first = (recipe.max_tokens - 1) // TOKENS_STEP * TOKENS_STEP
    for tokens in range(first, TOKENS_STEP - 1, -TOKENS_STEP):
        if change := _changed(recipe, free, needs, max_tokens=tokens):
            return change
    return ""


def _rank(recipe: Recipe, free: int, needs: Callable[[Recipe], int]) -> str:
    for rank in reversed([rank for rank in RANKS if rank < recipe.rank]):
        if change := _changed(recipe, free, needs, rank=rank):
            return change
    return ""


def _changed(recipe: Recipe, free: int, needs: Callable[[Recipe], int], **change: object) -> str:
    """The change as it is typed, or "" where it is not enough."""
    if needs(recipe.model_copy(update=change)) > free:
        return ""
    return " ".join(f"{name}={value}" for name, value in change.items())
