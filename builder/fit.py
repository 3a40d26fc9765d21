"""A base model and encoded rows in; the trained model, and what the optimiser did, out.

Every way of tuning ends here. Training can be killed at any moment: called again with the same work
folder, it goes on from the last checkpoint that was written whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder import encode
from builder.job import Report
from builder.recipes import Recipe
from lorekeeper import hardware
from lorekeeper.errors import BadInput

ADAPTER = "adapter"  # the folder in the run's work folder that training ends with


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What the optimiser did."""

    steps: int
    rows: int
    answer_tokens: int  # that carried loss, over all passes
    loss: float  # mean over the run's steps, nats per answer token
    seconds: float  # of this attempt


def load(base: Path, recipe: Recipe) -> Any:
    """The base model as the recipe trains it: in 4 bits or not, frozen, with an untrained adapter on it."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    set_seed(recipe.seed)  # the adapter's first matrices are random
    return get_peft_model(
        _load_base(base, recipe),
        LoraConfig(
            task_type="CAUSAL_LM",
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            lora_dropout=recipe.dropout,
            use_rslora=recipe.rslora,
            target_modules=_modules(recipe),
        ),
    )


def fit(
    model: Any,
    examples: Sequence[encode.Example],
    recipe: Recipe,
    work: Path,
    report: Report,
    *,
    validation: Sequence[encode.Example] = (),
) -> Fitted:
    """Train `model` in place.

    Raises:
        Cancelled: somebody asked for the run to stop.
        BadInput: the loss or a weight became no number; says which setting to change.
    """
    from transformers import PrinterCallback, Trainer

    from builder.watch import Watch, last_checkpoint

    steps = steps_of(len(examples), recipe)
    learned = sum(row.learned for row in examples)
    tokens_per_step = learned / len(examples) * recipe.batch_size * recipe.accumulation
    trainer = Trainer(
        model=model,
        args=_arguments(recipe, steps, work),
        train_dataset=[{"input_ids": row.input_ids, "labels": row.labels} for row in examples],
        data_collator=collate,
        callbacks=[Watch(report, work / "metrics.jsonl", tokens_per_step=tokens_per_step)],
    )
    trainer.remove_callback(PrinterCallback)
    resume_from = last_checkpoint(work)
    ended = trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    _refuse_broken(model)
    return Fitted(
        steps=steps,
        rows=len(examples),
        answer_tokens=round(tokens_per_step * steps),
        loss=ended.training_loss,
        seconds=ended.metrics["train_runtime"],
    )


def save(model: Any, work: Path) -> Path:
    """Write what was trained into the work folder; returns the folder."""
    model.save_pretrained(work / ADAPTER)
    return work / ADAPTER


def collate(rows: Sequence[dict[str, Sequence[int]]]) -> dict[str, Any]:
    """Right-padded tensors of shape [rows, longest]. Padding is masked by position, not by id.

    The id that pads is often the one that ends a turn; masking by id would unlearn stopping.
    """
    import torch

    longest = max(len(row["input_ids"]) for row in rows)

    def padded(name: str, filler: int) -> torch.Tensor:
        return torch.tensor([[*row[name], *[filler] * (longest - len(row[name]))] for row in rows])

    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    mask = (torch.arange(longest) < lengths[:, None]).long()
    return {
        "input_ids": padded("input_ids", 0),
        "attention_mask": mask,
        "labels": padded("labels", encode.IGNORED),
    }


def compute_type() -> Any:
    """The torch type to compute in: bfloat16 where the hardware has its instructions.

    Without them it is far slower than float32.
    """
    import torch

    if torch.cuda.is_available():
        computes = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if computes else torch.float16
    return torch.bfloat16 if hardware.cpu_computes_bfloat16() else torch.float32


def _arguments(recipe: Recipe, steps: int, work: Path) -> Any:
    import torch
    from transformers import TrainingArguments

    on_gpu = bool(hardware.gpus())
    compute = compute_type()
    return TrainingArguments(
        output_dir=str(work),
        max_steps=steps,
        per_device_train_batch_size=recipe.batch_size,
        gradient_accumulation_steps=recipe.accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=math.ceil(recipe.warmup * steps),
        optim="paged_adamw_8bit" if on_gpu else "adamw_torch",
        max_grad_norm=1.0,
        bf16=on_gpu and compute is torch.bfloat16,
        fp16=on_gpu and compute is torch.float16,
        use_cpu=not on_gpu,
        logging_steps=1,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_steps=recipe.checkpoint_steps,
        save_total_limit=2,
        seed=recipe.seed,
        data_seed=recipe.seed,
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        dataloader_pin_memory=on_gpu,
        disable_tqdm=True,
        report_to="none",
    )


def steps_of(rows: int, recipe: Recipe) -> int:
    """Steps of a run on so many rows."""
    per_epoch = math.ceil(rows / (recipe.batch_size * recipe.accumulation))
    return max(1, round(per_epoch * recipe.epochs))


def _modules(recipe: Recipe) -> str | list[str]:
    chosen = recipe.target_modules
    return chosen if isinstance(chosen, str) else list(chosen)


def _load_base(base: Path, recipe: Recipe) -> Any:
    """The frozen base: in NF4 with double quantisation, or at the precision it computes in."""
    import torch
    from peft import prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    compute = compute_type()
    if recipe.quantization == "none":
        return AutoModelForCausalLM.from_pretrained(base, dtype=compute, use_safetensors=True)
    model = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=compute,
        use_safetensors=True,
        device_map={"": 0} if torch.cuda.is_available() else {"": "cpu"},
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute,
        ),
    )
    # Recomputing activations saves memory that a small model on a CPU has, and costs 60 % more time.
    return prepare_model_for_kbit_training(
        model, use_gradient_checkpointing=torch.cuda.is_available()
    )


def _refuse_broken(model: Any) -> None:
    import torch

    for name, weights in model.named_parameters():
        if weights.requires_grad and not bool(torch.isfinite(weights).all()):
            raise BadInput(
                f"The adapter holds values that are no numbers ({name}).",
                fix="Use a smaller learning_rate. Nothing was registered.",
            )
