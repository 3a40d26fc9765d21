"""A model's shape, a recipe and a batch in; the bytes that training takes at its peak, by part, out. Pure.

The parts are reckoned from the sizes; what depends on the implementation (how many intermediate
values a layer keeps for its gradients) is corrected by a factor that a probe measures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from builder.encode import Example
from builder.recipes import Recipe
from builder.shape import Shape

NF4_BITS = 4
NF4_SCALES = 8 / 64 + 32 / (64 * 256)
"""Bits on top of an NF4 number's own with double quantisation: an 8-bit scale for each block of 64, and
a 32-bit scale for each 256 of those (QLoRA, Dettmers et al. 2023, section 3)."""
ADAMW, ADAMW_8BIT = 8, 2  # bytes of state for each number that learns: two moments in 32 or 8 bits
FLOAT32 = 4
LOGITS = 3  # copies at the peak: the logits, their float32 softmax, and its gradient
CHECKPOINTS = 3  # two are kept, and the next is written before the oldest goes

Parts = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What the run computes on."""

    gpu: bool
    compute_bytes: int  # of one number in the type that is computed in
    free: int | None  # bytes that may be taken; None where nobody tells
    process: int = 0  # bytes that the process holds before the model is loaded
    shares: int = 1  # processes among which the frozen base is shared out
    factor: float = 1.0  # measured activations and logits, over those reckoned here


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The largest that a run computes at once."""

    tokens: int
    learned: int  # of them; logits are made for these alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """How many bytes a recipe takes on top of what the process holds, for these rows on this device."""

    shape: Shape
    rows: Sequence[Example]  # shortest first
    device: Device

    def __call__(self, recipe: Recipe) -> int:
        return sum(self.parts(recipe).values()) - self.device.process

    def parts(self, recipe: Recipe) -> Parts:
        return training(self.shape, recipe, self.batch(recipe), self.device)

    def batch(self, recipe: Recipe) -> Batch:
        """The longest rows together; the shortest, where `max_tokens` would leave out all."""
        size = recipe.rows_at_once
        fitting = [row for row in self.rows if len(row.input_ids) <= recipe.max_tokens]
        largest = fitting[-size:] or self.rows[:size]
        longest = max(len(row.input_ids) for row in largest)
        return Batch(tokens=len(largest) * longest, learned=sum(row.learned for row in largest))


def training(shape: Shape, recipe: Recipe, batch: Batch, device: Device) -> Parts:
    """Bytes at the peak of a step, by part; parts of nothing are left out."""
    learns = shape.trainable(recipe)
    parts = {
        "weights": _weights(shape, recipe, device),
        "gathered": _gathered(shape, recipe, device) if device.shares > 1 else 0,
        "adapter": FLOAT32 * shape.adapter(recipe) if recipe.trains == "adapter" else 0,
        "gradients": FLOAT32 * learns,
        "optimiser": (ADAMW_8BIT if device.gpu else ADAMW) * learns,
        "activations": round(device.factor * _activations(shape, recipe, batch.tokens, device)),
        "logits": round(device.factor * LOGITS * FLOAT32 * batch.learned * shape.vocabulary),
        "process": device.process,
    }
    return {name: size for name, size in parts.items() if size}


def disk(shape: Shape, recipe: Recipe, device: Device) -> int:
    """Bytes that checkpoints and the result take: twice, in the run's folder and in the store."""
    learns = shape.trainable(recipe)
    state = ADAMW_8BIT if device.gpu else ADAMW
    return learns * (CHECKPOINTS * (FLOAT32 + state) + 2 * FLOAT32)


def to_load(shape: Shape, recipe: Recipe, device: Device) -> int:
    """Bytes of main memory in which the first process reads a base before it is shared out."""
    return _weights(shape, recipe, replace(device, shares=1))


def calibrated(device: Device, shape: Shape, recipe: Recipe, batch: Batch, peak: int) -> Device:
    """The device with the factor that makes the reckoning give `peak` bytes for the probe's batch."""
    plain = replace(device, factor=1.0)
    parts = training(shape, recipe, batch, plain)
    moving = parts["activations"] + parts["logits"]
    fixed = sum(parts.values()) - moving
    return replace(device, factor=max(0.05, (peak - fixed) / moving))


def _weights(shape: Shape, recipe: Recipe, device: Device) -> int:
    """What a process holds all the time: its share of the frozen base, and the scales of all blocks."""
    if recipe.trains != "adapter":
        return FLOAT32 * shape.parameters
    rest = shape.parameters - shape.quantizable
    shared = _layers(shape, recipe, device) + _unquantized(recipe, device) * rest
    scales = shape.quantizable * NF4_SCALES / 8 if recipe.quantization == "nf4" else 0
    return round(shared / device.shares + scales)


def _gathered(shape: Shape, recipe: Recipe, device: Device) -> int:
    """Of a base in shares: its largest part, as it is received and as it is computed with, and the layer that is on its way."""
    layer = round(_layers(shape, recipe, device) / shape.layers)
    embeddings = _unquantized(recipe, device) * shape.vocabulary * shape.hidden
    return 2 * max(layer, embeddings) + layer


def _layers(shape: Shape, recipe: Recipe, device: Device) -> float:
    each = NF4_BITS / 8 if recipe.quantization == "nf4" else device.compute_bytes
    return each * shape.quantizable


def _unquantized(recipe: Recipe, device: Device) -> int:
    """A quantised base keeps what is not in 4 bits in float32 (peft prepares it so)."""
    return FLOAT32 if recipe.quantization == "nf4" else device.compute_bytes


def _activations(shape: Shape, recipe: Recipe, tokens: int, device: Device) -> int:
    """Intermediate values that a backward pass needs.

    Counted for a block of attention and a gated MLP with an adapter and dropout on every linear
    layer. Where they are recomputed, each block keeps its input only, and one block at a time is
    computed again (gradient checkpointing, Chen et al. 2016).
    """
    block = 15 * shape.hidden + 4 * shape.keys + 4 * shape.intermediate
    again = device.gpu if recipe.recompute == "auto" else recipe.recompute == "always"
    kept = shape.layers * shape.hidden + block if again else shape.layers * block
    return tokens * kept * device.compute_bytes
