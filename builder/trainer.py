"""Packed or padded rows in, transformers' own training loop with the loss of answer tokens alone, out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transformers import Trainer
from transformers.trainer_pt_utils import LengthGroupedSampler

from builder import weights
from builder.batches import Row
from builder.encode import IGNORED


class AnswerTrainer(Trainer):  # type: ignore[misc]
    """A step's loss is the mean over all answer tokens of its rows, however these are split into batches.

    The output layer is computed for those tokens alone: with a large vocabulary it is a good part of a small model.
    """

    loss_is_scaled_for_ga = True  # `compute_loss` divides by the tokens of the whole step

    def _get_train_sampler(self, *values: Any) -> Any:
        """Rows of like length together, in the same order however many processes share a step."""
        sampler = super()._get_train_sampler(*values)
        if isinstance(sampler, LengthGroupedSampler):
            sampler.batch_size *= self.args.world_size
        return sampler

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """The step's batches, and how many tokens they learn, on all devices together."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        count = sum(learned(batch) for batch in batches)
        if self.args.world_size > 1:
            count = self.accelerator.gather(count.to(device)).sum()
        return batches, count

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Nats of this batch's answer tokens, over the number of those in the step."""
        # Devices average their gradients, so each counts as often as there are devices.
        return total_loss(model, inputs) * self.accelerator.num_processes / num_items_in_batch

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Nats per answer token of the validation rows. Every device computes all of them."""
        found = {"eval_loss": self._validate()}
        self.log(found)
        self.control: Any = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, found
        )
        return found

    def _validate(self) -> float:
        rows: Sequence[Row] = self.eval_dataset
        batches = batched(rows, self.args.per_device_train_batch_size, self.data_collator)
        total, count = 0.0, 0
        with weights.measured(self.model), self.compute_loss_context_manager():
            for batch in map(self._prepare_inputs, batches):
                count += int(learned(batch))
                total += float(total_loss(self.model_wrapped, batch))
        return total / count


def batched(
    rows: Sequence[Row], size: int, collate: Callable[[Sequence[Row]], dict[str, Any]]
) -> list[dict[str, Any]]:
    return [collate(rows[first : first + size]) for first in range(0, len(rows), size)]


def total_loss(model: Any, batch: dict[str, Any]) -> Any:
    """Nats of all answer tokens of a batch."""
    import torch

    inputs = {name: value for name, value in batch.items() if name != "labels"}
    logits = model(**inputs, use_cache=False).logits
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(),
        batch["labels"].flatten(),
        ignore_index=IGNORED,
        reduction="sum",
    )


def learned(batch: dict[str, Any]) -> Any:
    """How many tokens of a batch carry loss."""
    return (batch["labels"] != IGNORED).sum()


def on_device(batch: dict[str, Any], device: Any) -> dict[str, Any]:
    """Its tensors on the device, the rest as it is."""
    return {
        name: value.to(device) if hasattr(value, "to") else value for name, value in batch.items()
    }
