"""A quality report in; the same as Markdown, for a card, a terminal or a message, out."""

from __future__ import annotations

from collections.abc import Mapping

from builder.quality.advice import advice, told
from builder.quality.report import Report

LISTED = 8  # entries of a count


def markdown(report: Report) -> str:
    """Every measure in a table, topics and mentions, and at the end what to do, most useful first."""
    median, mean, longest = report.words
    lines = [
        "## Quality",
        "",
        "| What | Value |",
        "|---|---|",
        f"| pairs, from conversations | {report.pairs}, {report.conversations} |",
        f"| duplicates and near-duplicates | {len(report.duplicates)} |",
        f"| contradictions | {len(report.contradictions)} |",
        f"| words of an answer: median, mean, longest | {median:.0f}, {mean:.0f}, {longest} |",
        f"| far longer than the others | {len(report.outliers)} |",
        f"| too long for the recipe | {len(report.too_long)} |",
        f"| old answers | {len(report.stale)} |",
        f"| languages | {_listed(report.languages)} |",
        f"| kinds of question | {_listed(report.kinds)} |",
        f"| authors | {len(report.authors)}; the commonest has words in {report.loudest:.0%} |",
        f"| placeholders | {_listed(report.placeholders)} |",
        f"| thumbs on answers that cite them | {report.thumbs[0]} up, {report.thumbs[1]} down |",
    ]
    if report.topics:
        lines += ["", "| Topic | Pairs | Share |", "|---|---|---|"]
        lines += [
            f"| {one.name} | {len(one.pairs)} | {len(one.pairs) / report.pairs:.0%} |"
            for one in report.topics
        ]
    if report.mentions:
        lines += ["", "| People mentioned | Pairs | Beside harsh words |", "|---|---|---|"]
        lines += [
            f"| {one.group} | {one.pairs} | {one.harsh_share:.0%} |" for one in report.mentions
        ]
    todo = [f"{number}. {told(one)}" for number, one in enumerate(advice(report), 1)]
    return "\n".join([*lines, "", "### What to do", "", *(todo or ["Nothing stands out."]), ""])


def _listed(counts: Mapping[str, int]) -> str:
    shown = sorted(counts.items(), key=lambda item: -item[1])[:LISTED]
    return ", ".join(f"{name} {count}" for name, count in shown) or "none"
