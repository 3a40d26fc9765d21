"""A base model's folder and a recipe in; the model with the weights that learn, and later those weights in a folder, out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from builder import shards
from builder.launch import processes
from builder.possible import refuse_impossible, unfreeze
from builder.recipes import Recipe
from lorekeeper import hardware
from lorekeeper.errors import BadInput

ADAPTER = "adapter"  # the folder in the run's work folder that training ends with
MODEL = "model"  # or this one, where the base itself was changed
MAIN_MEMORY, NOWHERE = {"": "cpu"}, {"": "meta"}  # device maps


def load(base: Path, recipe: Recipe) -> Any:
    """The base with what the recipe trains: an untrained adapter, or layers of its own.

    The frozen part is in 4 bits, or at the precision that is computed in; where the settings say so, each
    process has a share of it.

    Raises:
        BadInput: the base has no such layers, or training them needs more memory than there is.
    """
    from transformers import set_seed

    refuse_impossible(base, recipe)
    set_seed(recipe.seed)  # an adapter's first matrices are random
    if processes.is_sharded():
        shards.let_go()
        return shards.spread(_adapted(base, recipe, MAIN_MEMORY), _adapted, base, recipe, NOWHERE)
    if recipe.trains == "adapter":
        return _adapted(base, recipe, _device())
    return unfreeze(_load_whole(base), recipe)


def beside(base: Path, recipe: Recipe) -> Any:
    """In a process beside the first one: what that one has loaded last, to be trained together."""
    return shards.held() if processes.is_sharded() else load(base, recipe)


def save(model: Any, work: Path) -> Path:
    """Write what was trained into the run's work folder, an adapter or a whole model; returns the folder."""
    from transformers import AutoConfig, AutoTokenizer

    if hasattr(model, "peft_config"):
        model.save_pretrained(work / ADAPTER)
        return work / ADAPTER
    base = model.name_or_path
    kept = AutoConfig.from_pretrained(base).dtype
    model.to(kept or model.dtype).save_pretrained(work / MODEL)
    AutoTokenizer.from_pretrained(base).save_pretrained(work / MODEL)
    return work / MODEL


def trained(model: Any) -> dict[str, Any]:
    """The weights that learn, by name."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def keep(model: Any, file: Path) -> None:
    """Write the weights that learn; whole or not at all."""
    from safetensors.torch import save_file

    draft = file.with_suffix(".draft")
    save_file(
        {name: value.detach().contiguous() for name, value in trained(model).items()}, str(draft)
    )
    draft.rename(file)


def put_back(model: Any, file: Path) -> None:
    """Give the weights that learn the values that `keep` wrote."""
    import torch
    from safetensors.torch import load_file

    kept = load_file(str(file))
    with torch.no_grad():
        for name, value in trained(model).items():
            value.copy_(kept[name])


@contextmanager
def measured(model: Any) -> Iterator[None]:
    """While this is open, the model computes without dropout and without gradients; then it trains on.

    On a processor with bfloat16, bitsandbytes lays a 4-bit layer that is not in training out anew, in a
    way that has no gradient, and leaves it so. These layers have no dropout, so they stay in training.
    """
    import torch

    model.eval()
    for part in model.modules():
        if type(part).__name__ == "Linear4bit":
            part.training = True
    try:
        with torch.no_grad():
            yield
    finally:
        model.train()


def refuse_broken(model: Any) -> None:
    """Raises BadInput where a weight that was trained is no number."""
    import torch

    for name, value in trained(model).items():
        if not bool(torch.isfinite(value).all()):
            raise BadInput(
                f"What was trained holds values that are no numbers ({name}).",
                fix="Use a smaller learning_rate. Nothing was registered.",
            )


def compute_type() -> Any:
    """The torch type to compute in: bfloat16 where the hardware has its instructions.

    Without them it is far slower than float32.
    """
    import torch

    if torch.cuda.is_available():
        computes = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if computes else torch.float16
    return torch.bfloat16 if hardware.cpu_computes_bfloat16() else torch.float32


def _adapted(base: Path, recipe: Recipe, device_map: Mapping[str, Any] | None) -> Any:
    """The frozen base and an untrained adapter, all of it on one device."""
    from peft import LoraConfig, get_peft_model

    chosen = recipe.target_modules
    return get_peft_model(
        _load_frozen(base, recipe, device_map),
        LoraConfig(
            task_type="CAUSAL_LM",
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            lora_dropout=recipe.dropout,
            use_rslora=recipe.rslora,
            use_dora=recipe.dora,
            target_modules=chosen if isinstance(chosen, str) else list(chosen),
        ),
    )


def _load_frozen(base: Path, recipe: Recipe, device_map: Mapping[str, Any] | None) -> Any:
    """In NF4 with double quantisation, or at the precision that is computed in."""
    import torch
    from peft import prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    compute = compute_type()
    if recipe.quantization == "none":
        return _in_one_place(
            AutoModelForCausalLM.from_pretrained(
                base, dtype=compute, use_safetensors=True, device_map=device_map
            )
        )
    model = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=compute,
        use_safetensors=True,
        device_map=device_map,
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute,
            # What lies in memory as floating point can be shared out (PEFT's guide to FSDP-QLoRA).
            bnb_4bit_quant_storage=compute if processes.is_sharded() else torch.uint8,
        ),
    )
    return prepare_model_for_kbit_training(_in_one_place(model), use_gradient_checkpointing=False)


def _load_whole(base: Path) -> Any:
    """In float32, whatever is computed in: the small steps of training vanish in 16 bits."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.float32, use_safetensors=True, device_map=_device()
    )


def _device() -> dict[str, int] | None:
    """All of a model on this process's GPU; None for main memory."""
    import torch
    from accelerate import PartialState

    return {"": PartialState().local_process_index} if torch.cuda.is_available() else None


def _in_one_place(model: Any) -> Any:
    """Without a map that names no GPU: peft takes such weights for moved away, and moves them on resuming."""
    if model.device.type != "cuda" and hasattr(model, "hf_device_map"):
        del model.hf_device_map
    return model
