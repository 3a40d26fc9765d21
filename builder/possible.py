"""A base model's config and a recipe in; a refusal in words of what cannot be trained, before any weight is read, out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from builder.launch import processes
from builder.recipes import Recipe
from lorekeeper import hardware
from lorekeeper.errors import BadInput

# Bytes. A weight is kept in 32 bits; one that learns has a gradient and Adam's two moments beside it.
WEIGHT, LEARNING, LEARNING_ON_GPU = 4, 12, 6  # on a GPU the moments are in 8 bits


def refuse_impossible(base: Path, recipe: Recipe) -> None:
    """Raises BadInput: the base has no such layers, or training its own weights needs more memory than is free."""
    if processes.is_sharded():
        _refuse_unshared(recipe)
    model = _without_weights(base)
    if recipe.trains == "adapter":
        _refuse_unknown_modules(model, recipe)
        return
    layers = layers_of(model)
    if recipe.trains == "upper" and recipe.upper_layers > len(layers):
        raise BadInput(
            f"{recipe.upper_layers} upper layers cannot learn: {base.name} has {len(layers)}.",
            fix=f"Set upper_layers to {max(1, len(layers) // 2)}, for example.",
        )
    _refuse_too_large(model, recipe)


def layers_of(model: Any) -> Any:
    """The decoder's layers, lowest first.

    Raises:
        BadInput: the model does not say what its layers are.
    """
    layers = getattr(model.get_decoder(), "layers", None)
    if layers is None:
        raise BadInput(
            f"{type(model).__name__} does not say what its layers are.",
            fix="Train an adapter, or the whole model with the recipe full.",
        )
    return layers


def unfreeze(model: Any, recipe: Recipe) -> Any:
    """Let all of it learn, or the last layers with the norm behind them; embeddings and output layer stay then."""
    if recipe.trains == "all":
        return model
    model.requires_grad_(False)
    for layer in layers_of(model)[-recipe.upper_layers :]:
        layer.requires_grad_(True)
    if (norm := getattr(model.get_decoder(), "norm", None)) is not None:
        norm.requires_grad_(True)
    return model


def _without_weights(base: Path) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base))


def _refuse_unshared(recipe: Recipe) -> None:
    """What is shared out is frozen, and nothing reads it but the layer that it belongs to."""
    told = "dora=true" if recipe.dora else f"trains={recipe.trains}"
    if recipe.dora or recipe.trains != "adapter":
        raise BadInput(
            f"LORE_LAUNCH__SHARDED shares out a base that stays as it is, beside a plain adapter; this recipe says {told}.",
            fix="Train an adapter (recipe qlora) without dora, or set LORE_LAUNCH__SHARDED=false: each process then holds the whole model.",
        )


def _refuse_unknown_modules(model: Any, recipe: Recipe) -> None:
    import torch

    if recipe.target_modules == "all-linear":
        return
    linear = [name for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)]
    wanted = recipe.target_modules
    if isinstance(wanted, str):  # a pattern of whole names, as peft reads it
        missing = [] if any(re.fullmatch(wanted, name) for name in linear) else [wanted]
    else:
        missing = [
            end for end in wanted if not any(f".{name}".endswith(f".{end}") for name in linear)
        ]
    if missing:
        known = sorted({name.rsplit(".", 1)[-1] for name in linear} - {"lm_head"})
        raise BadInput(
            f"The base model has no linear layers called {', '.join(missing)}.",
            fix=f"Its linear layers are: {', '.join(known)}. target_modules=all-linear takes them all.",
        )


def _refuse_too_large(model: Any, recipe: Recipe) -> None:
    learning = sum(
        value.numel() for value in unfreeze(model, recipe).parameters() if value.requires_grad
    )
    total = sum(value.numel() for value in model.parameters())
    on_gpu = hardware.free_gpu_memory()
    needed = WEIGHT * total + (LEARNING_ON_GPU if on_gpu else LEARNING) * learning
    free = on_gpu[0] if on_gpu else hardware.free_memory()
    if free is not None and needed > free:
        raise BadInput(
            f"Training {learning / 1e6:,.0f} of the base's {total / 1e6:,.0f} million weights needs "
            f"{needed / 2**30:.1f} GiB of {'GPU' if on_gpu else 'main'} memory before any row is computed, "
            f"and {free / 2**30:.1f} GiB are free.",
            fix="Train fewer layers (recipe upper, upper_layers), an adapter (recipe qlora), or a smaller base model.",
        )
