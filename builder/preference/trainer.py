"""Encoded preferences in; the adapter moved towards them, by transformers' own training loop, out.

Killed at any moment and started again, it goes on from its last whole checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, Trainer

from builder import batches, encode, fit, weights
from builder.fit import Fitted
from builder.job import Report
from builder.launch import processes
from builder.preference import losses
from builder.preference.encoded import Unit
from builder.recipes import Recipe
from builder.watch import Watch, last_checkpoint, peak_memory


def move(
    model: Any,
    units: Sequence[Unit],
    recipe: Recipe,
    work: Path,
    report: Report,
    trackers: Sequence[str] = (),
) -> Fitted:
    """Train `model` in place; where memory runs out, as `fit.fit` does.

    Raises:
        Cancelled: somebody asked for the run to stop.
        BadInput: the loss or a weight became no number, or memory ran out twice.
    """

    def attempt(fits: Recipe) -> Fitted:
        return _attempt(model, units, fits, work, report, trackers)

    return fit.with_room(model, recipe, work, attempt)


def _attempt(
    model: Any,
    units: Sequence[Unit],
    recipe: Recipe,
    work: Path,
    report: Report,
    trackers: Sequence[str],
) -> Fitted:
    processes.tell(_beside, model.name_or_path, units, recipe, work)
    steps = fit.steps_of(len(units), recipe)
    learned = sum(row.example.learned for unit in units for row in unit.answers)
    tokens_per_step = learned / len(units) * recipe.batch_size * recipe.accumulation
    watch = Watch(report, work / "metrics.jsonl", tokens_per_step=tokens_per_step)
    trainer = PreferenceTrainer(
        recipe=recipe,
        model=model,
        args=fit.arguments(recipe, steps, work, trackers, by_length=False),
        train_dataset=list(units),
        data_collator=collate,
        callbacks=[watch] if processes.is_main() else [],
    )
    trainer.remove_callback(PrinterCallback)
    resume_from = last_checkpoint(work)
    ended = trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    weights.refuse_broken(model)
    return Fitted(
        steps=steps,
        rows=len(units),
        answer_tokens=round(tokens_per_step * steps),
        loss=ended.training_loss,
        seconds=ended.metrics["train_runtime"],
        batch_size=recipe.batch_size,
        memory=peak_memory(),
    )


def _beside(base: str, units: Sequence[Unit], recipe: Recipe, work: Path) -> None:
    """What the other processes do while the first one trains; its weights are theirs, too."""
    _attempt(weights.beside(Path(base), recipe), units, recipe, work, processes.silent, ())


class PreferenceTrainer(Trainer):  # type: ignore[misc]
    """A step's loss is the mean over its pairs, or its answers, however these are split into batches."""

    def __init__(self, *, recipe: Recipe, **values: Any) -> None:
        super().__init__(**values)
        self._recipe = recipe
        helpful = [unit.answers[0].helpful for unit in self.train_dataset]
        self._weights = losses.weights(sum(helpful), len(helpful) - sum(helpful))
        self.model_accepts_loss_kwargs = False  # the batches of a step are averaged

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        found = self._kto if self._recipe.preference == "kto" else self._dpo
        return found(model, inputs).mean()

    def _dpo(self, model: Any, inputs: dict[str, Any]) -> Any:
        nats, reference = losses.log_probabilities(model, inputs), inputs["reference"]
        return losses.dpo(
            nats[0::2], nats[1::2], reference[0::2], reference[1::2], beta=self._recipe.beta
        )

    def _kto(self, model: Any, inputs: dict[str, Any]) -> Any:
        import torch

        reference, gather = inputs["reference"], self.accelerator.gather
        with torch.no_grad():
            strangers = losses.log_probabilities(model, rows(inputs, slice(1, None, 2)))
        desirable, undesirable = self._weights
        return losses.kto(
            losses.log_probabilities(model, rows(inputs, slice(0, None, 2))),
            reference[0::2],
            inputs["helpful"][0::2],
            losses.drift(gather(strangers), gather(reference[1::2].contiguous())),
            beta=self._recipe.beta,
            desirable=desirable,
            undesirable=undesirable,
        )


def collate(units: Sequence[Unit]) -> dict[str, Any]:
    """Right-padded rows, the two of each unit one after the other; `reference` and `helpful` are of [rows]."""
    import torch

    known = [row for unit in units for row in unit.rows]
    return padded([row.example for row in known]) | {
        "reference": torch.tensor([row.reference for row in known]),
        "helpful": torch.tensor([row.helpful for row in known]),
    }


def padded(examples: Sequence[encode.Example]) -> dict[str, Any]:
    """As `batches.pad` gives it."""
    return batches.pad([{"input_ids": row.input_ids, "labels": row.labels} for row in examples])


def rows(batch: dict[str, Any], which: slice) -> dict[str, Any]:
    """Some rows of a padded batch."""
    kept = {name: batch[name][which] for name in ("input_ids", "attention_mask", "labels")}
    return kept | {"logits_to_keep": batch["logits_to_keep"]}
