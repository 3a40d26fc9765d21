"""A base model's folder in; the sizes that memory and time are reckoned from out. No weight is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder.recipes import Recipe
from lorekeeper.errors import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """One weight matrix that an adapter can sit on."""

    name: str
    inputs: int
    outputs: int

    @property
    def size(self) -> int:
        return self.inputs * self.outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a model is made of. Sizes are counts of numbers, not bytes."""

    kind: str  # the architecture's name, such as "llama"
    parameters: int
    linear: tuple[Linear, ...]  # all but the output layer
    hidden: int
    layers: int
    keys: int  # width of the keys of one token, all heads together
    intermediate: int
    vocabulary: int

    @property
    def quantizable(self) -> int:
        """Numbers that NF4 stores in 4 bits: every linear layer but the output layer."""
        return sum(one.size for one in self.linear)

    def adapter(self, recipe: Recipe) -> int:
        """Numbers in the adapter: for every layer that has one, rank × (inputs + outputs)."""
        return recipe.rank * sum(
            one.inputs + one.outputs for one in self.linear if _has_adapter(one.name, recipe)
        )

    def trainable(self, recipe: Recipe) -> int:
        """Numbers that learn: the adapter's, those of the upper layers, or all."""
        if recipe.trains == "all":
            return self.parameters
        if recipe.trains == "upper":
            inside = sum(one.size for one in self.linear)
            return round(inside * min(1.0, recipe.upper_layers / self.layers))
        return self.adapter(recipe)


def of(base: Path) -> Shape:
    """Build the architecture without memory for its weights (torch's meta device), and count.

    Raises:
        BadInput: transformers does not know the architecture.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(base)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except ValueError as error:
        raise BadInput(
            f"The model in {base} is none that can be tuned: {error}",
            fix="Take a model that writes text, such as Qwen/Qwen3-4B-Instruct-2507.",
        ) from error
    text = config.get_text_config()
    head = model.get_output_embeddings()
    heads = text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // heads
    return Shape(
        kind=str(config.model_type),
        parameters=sum(one.numel() for one in model.parameters()),
        linear=tuple(
            Linear(name=name, inputs=layer.in_features, outputs=layer.out_features)
            for name, layer in model.named_modules()
            if isinstance(layer, torch.nn.Linear) and layer is not head
        ),
        hidden=text.hidden_size,
        layers=text.num_hidden_layers,
        keys=width * (getattr(text, "num_key_value_heads", None) or heads),
        intermediate=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        vocabulary=text.vocab_size,
    )


def _has_adapter(name: str, recipe: Recipe) -> bool:
    if isinstance(recipe.target_modules, str):
        return True  # all-linear
    return name.rsplit(".", 1)[-1] in recipe.target_modules
