"""`python -m bench.rig.trainers NAME GIVEN WORK`: one trainer's name, rows and a base in; what training took, as JSON, out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROWS_A_STEP, RATE, RANK, ALPHA, DROPOUT, SEED = 8, 2e-4, 16, 32, 0.05, 7
# Eight rows are a step for all. Lorekeeper keeps all activations and computes two rows at once, SFTTrainer
# drops them and computes all eight: its default.
AT_ONCE = 2
WINDOW = 1024  # tokens of a packed sequence: SFTTrainer's default
Given = dict[str, Any]
Took = tuple[Any, int, float]  # the trained model, steps, seconds


def lorekeeper(given: Given, work: Path) -> Took:
    """`builder.fit`, with the settings that all share; its own measures are as they come."""
    from types import SimpleNamespace

    from builder import fit
    from builder.encode import Example
    from builder.recipes import Recipe

    recipe = Recipe(
        quantization="none", rank=RANK, alpha=ALPHA, dropout=DROPOUT, learning_rate=RATE,
        epochs=given["passes"], batch_size=AT_ONCE, accumulation=ROWS_A_STEP // AT_ONCE, warmup=0, seed=SEED,
        checkpoint_steps=10_000,
    )  # fmt: skip
    rows = [
        Example(pair_id=number, input_ids=tuple(row["input_ids"]), labels=tuple(row["labels"]))
        for number, row in enumerate(given["rows"])
    ]
    model = fit.load(Path(given["base"]), recipe)
    given["loss_before"] = loss(model, given)
    told = fit.fit(
        model, rows, recipe, work, lambda _: SimpleNamespace(id=0, cancel_requested_by=None)
    )
    return model, told.steps, told.seconds


def sft(given: Given, work: Path, **changes: Any) -> Took:
    """TRL's SFTTrainer, at its defaults but for the settings that all share."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl import SFTConfig, SFTTrainer

    from builder.weights import compute_type

    set_seed(SEED)
    base, compute = given["base"], compute_type()
    model = AutoModelForCausalLM.from_pretrained(base, dtype=compute)
    given["loss_before"] = loss(model, given)
    settings = {
        "output_dir": str(work), "num_train_epochs": given["passes"], "learning_rate": RATE,
        "per_device_train_batch_size": ROWS_A_STEP, "lr_scheduler_type": "cosine", "seed": SEED,
        "bf16": compute is torch.bfloat16, "fp16": compute is torch.float16,
        "use_cpu": not torch.cuda.is_available(), "disable_tqdm": True, "report_to": "none",
    }  # fmt: skip
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**settings | changes),
        train_dataset=Dataset.from_list(given["rows"]),
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=LoraConfig(
            task_type="CAUSAL_LM", r=RANK, lora_alpha=ALPHA, lora_dropout=DROPOUT,
            target_modules="all-linear",
        ),
    )  # fmt: skip
    ended = trainer.train()
    return trainer.model, trainer.state.global_step, ended.metrics["train_runtime"]


def sft_packed(given: Given, work: Path, **changes: Any) -> Took:
    """As many rows a step as elsewhere, or the loss after equal passes would not be comparable."""
    mean = sum(len(row["input_ids"]) for row in given["rows"]) / len(given["rows"])
    window = min(WINDOW, round(mean * ROWS_A_STEP))
    return sft(
        given, work, packing=True, max_length=window, per_device_train_batch_size=1, **changes
    )


TRAINERS: dict[str, Callable[[Given, Path], Took]] = {
    "lorekeeper": lorekeeper,
    "sft": sft,
    "sft packed": sft_packed,
    "sft packed, all activations kept": lambda given, work: sft_packed(
        given, work, gradient_checkpointing=False
    ),
}
PACKED = tuple(name for name in TRAINERS if name.startswith("sft packed"))


def loss(model: Any, given: Given) -> float:
    """Nats per answer token of the rows, each alone, by the model's own logits."""
    import torch

    total, count = 0.0, 0
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for row in given["rows"]:
            ids = torch.tensor([row["input_ids"]], device=model.device)
            wanted = torch.tensor(row["labels"][1:], device=model.device)
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
            total += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
            count += int((wanted != -100).sum())
    model.train(was_training)
    return total / count


def main() -> None:
    """Peak memory is read before the loss is measured again, which is no part of training."""
    from builder.watch import peak_memory

    name, given = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    model, steps, seconds = TRAINERS[name](given, Path(sys.argv[3]))
    peak = peak_memory()
    learned = sum(label != -100 for row in given["rows"] for label in row["labels"])
    told = {
        "answer_tokens_per_second": learned * given["passes"] / seconds,
        "seconds": seconds,
        "steps": steps,
        "peak_mib": peak / 2**20,
        "loss_before": given["loss_before"],
        "loss_after": loss(model, given),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
