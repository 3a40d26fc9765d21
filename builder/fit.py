"""A base model and encoded rows in; the trained model, and what the optimiser did, out.

Every way of tuning ends here. Training can be killed at any moment: called again with the same work
folder, it goes on from the last checkpoint that was written whole.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from builder import attention, batches, encode, weights
from builder.halving import as_it_fits, halve, is_halved
from builder.job import Report
from builder.launch import processes
from builder.recipes import Recipe
from builder.weights import ADAPTER, MODEL, load, save
from lorekeeper import hardware
from lorekeeper.errors import BadInput

__all__ = ["ADAPTER", "BEST", "MODEL", "START", "Fitted", "fit", "load", "save"]

VALIDATIONS = 4  # in one pass over the rows
AGREE = 0.02  # nats per token that packing may differ by: what 16 bits round
BEST = "best.safetensors"  # the weights with the lowest validation loss
START = "start.safetensors"  # what training begins with, until there is a checkpoint

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What the optimiser did."""

    steps: int
    rows: int
    answer_tokens: int  # that carried loss, over all passes
    loss: float  # mean over the steps of this attempt, nats per answer token
    seconds: float  # of this attempt
    best_step: int | None = (
        None  # whose weights were kept; None: the last one's, nothing was held back
    )
    validation: tuple[tuple[int, float], ...] = ()  # step, nats per answer token
    batch_size: int = 0  # rows at once, less than the recipe's where memory ran out
    memory: int = 0  # bytes, the most that the process has held


def fit(
    model: Any,
    examples: Sequence[encode.Example],
    recipe: Recipe,
    work: Path,
    report: Report,
    *,
    validation: Sequence[encode.Example] = (),
    trackers: Sequence[str] = (),
) -> Fitted:
    """Train `model` in place; with `validation`, to the step at which these had the lowest loss.

    Where memory runs out, it goes on from the last checkpoint with half as many rows at once, and the
    same rows a step. `trackers` are names that transformers' `report_to` knows.

    Raises:
        Cancelled: somebody asked for the run to stop.
        BadInput: the loss or a weight became no number, the loss runs away, or memory ran out again;
            says which setting to change.
    """

    def attempt(fits: Recipe) -> Fitted:
        return _attempt(model, examples, fits, work, report, validation, trackers)

    return with_room(model, recipe, work, attempt)


def with_room(
    model: Any, recipe: Recipe, work: Path, attempt: Callable[[Recipe], Fitted]
) -> Fitted:
    """What `attempt` returns, given the recipe; where memory runs out, again with half of its batch, once.

    Raises:
        BadInput: memory ran out again.
    """
    from builder.watch import last_checkpoint

    if last_checkpoint(work) is None:
        weights.keep(model, work / START)
    while True:
        fits = as_it_fits(recipe, work)
        try:
            return attempt(fits)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
        if processes.count() > 1 or fits.batch_size == 1 or not halve(work):
            raise BadInput(
                f"Memory ran out with batches of {fits.batch_size} rows.",
                fix="Use a smaller max_tokens or batch_size, or a smaller base model. Nothing was registered.",
            )
        log.warning("memory ran out", rows_at_once=as_it_fits(recipe, work).batch_size)
        _make_room(model)
        if last_checkpoint(work) is None:
            weights.put_back(model, work / START)


def _attempt(
    model: Any,
    examples: Sequence[encode.Example],
    recipe: Recipe,
    work: Path,
    report: Report,
    validation: Sequence[encode.Example],
    trackers: Sequence[str],
) -> Fitted:
    from transformers import PrinterCallback

    from builder.stopping import EarlyStop
    from builder.trainer import AnswerTrainer
    from builder.watch import Watch, last_checkpoint, peak_memory

    told = (model.name_or_path, examples, recipe, work, validation, trackers)
    processes.tell(_beside, *told)
    steps = steps_of(len(examples), recipe)
    learned = sum(row.learned for row in examples)
    tokens_per_step = learned / len(examples) * recipe.batch_size * recipe.accumulation
    every = max(1, round(steps / recipe.epochs / VALIDATIONS))
    early = EarlyStop(work, every=every, patience=recipe.patience)
    watch = Watch(
        report, work / "metrics.jsonl", tokens_per_step=tokens_per_step, note=_note(recipe, work)
    )
    callbacks = [*([watch] if processes.is_main() else []), *([early] if validation else [])]
    rows = [_row(example) for example in examples]
    collate = _collate_for(model, recipe, rows)
    packs = collate is batches.pack
    with attention.by_row(model) if packs else nullcontext():
        trainer = AnswerTrainer(
            model=model,
            args=arguments(recipe, steps, work, trackers, by_length=not packs),
            train_dataset=rows,
            eval_dataset=[_row(example) for example in validation],
            data_collator=collate,
            callbacks=callbacks,
        )
        trainer.remove_callback(PrinterCallback)
        resume_from = last_checkpoint(work)
        ended = trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    if validation and processes.is_main():
        early.use_best(model)
    weights.refuse_broken(model)
    return Fitted(
        steps=trainer.state.global_step,
        rows=len(examples),
        answer_tokens=round(tokens_per_step * trainer.state.global_step),
        loss=ended.training_loss,
        seconds=ended.metrics["train_runtime"],
        best_step=early.best[0] if validation else None,
        validation=tuple(early.losses),
        batch_size=recipe.batch_size,
        memory=peak_memory(),
    )


def _beside(
    base: str,
    examples: Sequence[encode.Example],
    recipe: Recipe,
    work: Path,
    validation: Sequence[encode.Example],
    trackers: Sequence[str],
) -> None:
    """What the other processes do while the first one trains; its weights are theirs, too."""
    model = weights.beside(Path(base), recipe)
    _attempt(model, examples, recipe, work, processes.silent, validation, ())
    _make_room(model)


def steps_of(rows: int, recipe: Recipe) -> int:
    """How many steps the optimiser takes over so many rows."""
    per_epoch = math.ceil(rows / (recipe.batch_size * recipe.accumulation))
    return max(1, round(per_epoch * recipe.epochs))


def _row(example: encode.Example) -> batches.Row:
    return {"input_ids": example.input_ids, "labels": example.labels}


def _collate_for(
    model: Any, recipe: Recipe, rows: Sequence[batches.Row]
) -> Callable[[Sequence[batches.Row]], dict[str, Any]]:
    """Packed where the recipe says so and this model computes the same then; padded otherwise.

    The first process decides for all: they must draw the same rows.
    """
    if not recipe.packing:
        return batches.pad
    if not attention.has_only_attention(model):
        log.warning("rows are padded: tokens of this model see others by more than attention")
        return batches.pad
    shortest = sorted(rows, key=lambda row: len(row["input_ids"]))[:3]
    packed, padded = (_loss(model, collate(shortest)) for collate in (batches.pack, batches.pad))
    if processes.same(abs(packed - padded) > AGREE):
        log.warning("rows are padded: packed, this model computes something else", packed=packed, padded=padded)  # fmt: skip
        return batches.pad
    return batches.pack


def _loss(model: Any, batch: dict[str, Any]) -> float:
    """Nats per answer token, without dropout."""
    from builder.trainer import learned, on_device, total_loss

    with weights.measured(model), attention.by_row(model):
        return float(total_loss(model, on_device(batch, model.device)) / learned(batch))


def arguments(
    recipe: Recipe, steps: int, work: Path, trackers: Sequence[str], *, by_length: bool
) -> Any:
    """transformers' TrainingArguments; `by_length` draws rows of like length together."""
    import torch
    from transformers import TrainingArguments

    on_gpu = bool(hardware.gpus())
    size, accumulation = processes.share(recipe.batch_size, recipe.accumulation)
    compute = weights.compute_type()
    return TrainingArguments(
        output_dir=str(work),
        run_name=f"lorekeeper-run-{work.name}",
        max_steps=steps,
        per_device_train_batch_size=size,
        gradient_accumulation_steps=accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=math.ceil(recipe.warmup * steps),
        optim="paged_adamw_8bit" if on_gpu else "adamw_torch",
        max_grad_norm=1.0,
        bf16=on_gpu and compute is torch.bfloat16,
        fp16=on_gpu and compute is torch.float16,
        use_cpu=not on_gpu,
        # Costs a third more time, and saves memory that a small model on a CPU has.
        activation_checkpointing=on_gpu
        if recipe.recompute == "auto"
        else recipe.recompute == "always",
        logging_steps=1,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_steps=recipe.checkpoint_steps,
        save_total_limit=2,
        seed=recipe.seed,
        data_seed=recipe.seed,
        train_sampling_strategy="group_by_length" if by_length else "random",
        remove_unused_columns=False,
        dataloader_pin_memory=on_gpu,
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        report_to=list(trackers) or "none",
    )


def _note(recipe: Recipe, work: Path) -> str:
    if not is_halved(work):
        return ""
    return f"memory ran out, so {recipe.batch_size} rows are computed at once now"


def _is_out_of_memory(error: Exception) -> bool:
    """torch has a class for a GPU's memory; its CPU allocator says it in words."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(
        error
    )


def _make_room(model: Any) -> None:
    import torch

    model.zero_grad(set_to_none=True)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
