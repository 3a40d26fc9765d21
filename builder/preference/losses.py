"""What a model and its reference think of answers in; the losses of learning from preferences, out.

Log-probabilities are of whole answers, in nats: the sum over an answer's tokens, its end of turn included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builder.encode import IGNORED

if TYPE_CHECKING:
    from torch import Tensor

FOUR_TO_THREE = 4 / 3


def dpo(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    *,
    beta: float,
) -> Tensor:
    """One loss a pair: equation 7 of Rafailov et al., "Direct Preference Optimization" (2023). All of [pairs]."""
    import torch

    margin = rewards(chosen, reference_chosen, beta=beta) - rewards(
        rejected, reference_rejected, beta=beta
    )
    return -torch.nn.functional.logsigmoid(margin)


def kto(
    answers: Tensor,
    reference: Tensor,
    helpful: Tensor,
    baseline: Tensor,
    *,
    beta: float,
    desirable: float,
    undesirable: float,
) -> Tensor:
    """One loss an answer: equation 8 of Ethayarajh et al., "KTO" (2024). All of [answers], `helpful` of bool.

    `baseline` is a number (`drift`). `desirable` and `undesirable` weigh the two kinds.
    """
    import torch

    gain = rewards(answers, reference, beta=beta) - beta * baseline
    value = torch.sigmoid(torch.where(helpful, gain, -gain))
    return torch.where(helpful, desirable, undesirable) * (1 - value)


def rewards(answers: Tensor, reference: Tensor, *, beta: float) -> Tensor:
    """What the model gives each answer beyond the reference; both methods share this measure."""
    return beta * (answers - reference)


def drift(mismatched: Tensor, reference: Tensor) -> Tensor:
    """KTO's reference point: how far the model has moved on answers to other questions, at least 0.

    No gradient goes through it, as in the paper.
    """
    return (mismatched - reference).mean().clamp(min=0).detach()


def weights(helpful: int, unhelpful: int) -> tuple[float, float]:
    """How the two kinds are weighed, so that together they stand between 1 : 1 and 4 : 3 (KTO, section 4.3)."""
    if not helpful or not unhelpful:
        return 1.0, 1.0
    share = helpful / unhelpful
    if share > FOUR_TO_THREE:
        return 1.0, share / FOUR_TO_THREE
    return max(1.0, 1 / share), 1.0


def log_probabilities(model: Any, batch: dict[str, Any]) -> Tensor:
    """Nats of each row's learned tokens together, at most 0; [rows]. `batch` is what `collate` gives."""
    import torch

    logits = model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        logits_to_keep=batch["logits_to_keep"],
        use_cache=False,
    ).logits
    nats = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), batch["labels"], ignore_index=IGNORED, reduction="none"
    )
    return -nats.sum(-1)
