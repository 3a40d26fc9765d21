"""A dataset version or an adapter in; its card, in Markdown, out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from builder.dataset import Row
from lorekeeper.domain import Evaluation, Verdict


def dataset_card(train: Sequence[Row], heldout: Sequence[Row]) -> str:
    """What is in a dataset version, and how it was split."""
    rows = [*train, *heldout]
    authors = Counter(author for row in rows for author in row.authors)
    redacted = Counter(kind for row in rows for kind in row.redactions)
    tags = Counter(tag for row in rows for tag in row.tags)
    voice = authors.most_common(1)[0][1] / len(rows) if authors else 0.0
    return "\n".join(
        [
            "# Dataset card",
            "",
            f"{len(train)} pairs to train on, {len(heldout)} held out, "
            f"from {len({row.conversation for row in rows})} conversations.",
            "",
            "Split by conversation, never by pair; near-duplicates stay on one side. Every pair was "
            "approved by a person. Secrets and personal data were replaced before storing.",
            "",
            "| What | Value |",
            "|---|---|",
            f"| words of an answer, mean | {_mean([len(row.answer.split()) for row in rows]):.0f} |",
            f"| words of a question, mean | {_mean([len(row.question.split()) for row in rows]):.0f} |",
            f"| authors | {len(authors)} |",
            f"| share of pairs with the commonest author | {voice:.0%} |",
            f"| placeholders | {_listed(redacted)} |",
            f"| tags | {_listed(tags)} |",
            "",
        ]
    )


def adapter_card(about: Mapping[str, Any], evaluation: Evaluation, verdict: Verdict) -> str:
    """How an adapter was made, what it scored, and what the gate said."""
    scores = [
        f"| {score.arm.value} | {score.mean_nll:.3f} | {_f1(score.mean_f1)} |"
        for score in evaluation.arms
    ]
    return "\n".join(
        [
            "---",
            f"base_model: {about['base_model']}",
            "library_name: peft",
            "---",
            "# Adapter card",
            "",
            f"**{verdict.outcome.value}**",
            "",
            *[f"- {reason}" for reason in verdict.reasons],
            "",
            f"{len(evaluation.questions)} held-out questions, scored in {evaluation.precision}, "
            "the precision that is served.",
            "",
            "| Arm | Loss (nats per answer token) | Token F1 |",
            "|---|---|---|",
            *scores,
            "",
            "## How to make it again",
            "",
            "```json",
            json.dumps(about, indent=2, sort_keys=True),
            "```",
            "",
        ]
    )


def _f1(value: float) -> str:
    return "–" if value != value else f"{value:.3f}"


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common(12)) or "none"
