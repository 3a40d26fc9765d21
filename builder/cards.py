"""A dataset version in; its card, in Markdown, out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from builder.dataset import Row


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


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common(12)) or "none"
