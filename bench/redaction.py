"""Labelled texts and a Slack export in; what redaction finds, what it breaks, and how fast it is, out.

What is broken is found by patterns of its own: code, versions, hashes and UUIDs that were in a
message and are not in it any more. The last line is one JSON object.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.labelled import Sample, negatives, positives, survives
from lorekeeper.redact import PLACEHOLDER, redact
from lorekeeper.slack_export import open_export
from lorekeeper.text import mrkdwn_to_markdown

QUICK, FULL = 40, 400  # texts for each format
PRECISE = {
    "code": re.compile(r"```.+?```|`[^`\n]+`", re.DOTALL),
    "version": re.compile(r"(?<![\w.])v?\d+(?:\.\d+){1,3}(?![\w.]*\d)"),
    "hash": re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{7,64}\b"),
    "UUID": re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"),
}

Figures = dict[str, object]


def main(
    export: Annotated[Path | None, typer.Argument(help="A Slack export.", exists=True)] = None,
    full: Annotated[bool, typer.Option(help=f"{FULL} texts a format, not {QUICK}.")] = False,
    show: Annotated[bool, typer.Option(help="Print all that was removed from the export.")] = False,
) -> None:
    """Measure recall on labelled texts, harm to harmless ones, and both with speed on an export."""
    console = Console(stderr=True, highlight=False, markup=False)
    count = FULL if full else QUICK
    figures = _recall(list(positives(count)), console) | _harm(list(negatives(count)), console)
    if export is not None:
        figures |= _on_export(export, console, show=show)
    print(json.dumps(figures))


def _recall(samples: list[Sample], console: Console) -> Figures:
    asked = Counter((sample.kind, sample.name) for sample in samples)
    missed = Counter(
        (sample.kind, sample.name)
        for sample in samples
        if survives(sample, redact(sample.text).text)
    )
    by_name = {key: 1 - missed[key] / number for key, number in asked.items()}
    console.print(_table("Recall", {f"{kind}: {name}": r for (kind, name), r in by_name.items()}))
    kinds = Counter(sample.kind for sample in samples)
    lost = Counter(kind for kind, _ in missed.elements())
    return {
        "texts": len(samples),
        "secret_formats": sum(kind == "secret" for kind, _ in asked),
        "recall": {kind: round(1 - lost[kind] / number, 4) for kind, number in kinds.items()},
        "below_99": {f"{k}: {n}": round(r, 4) for (k, n), r in by_name.items() if r < 0.99},
    }


def _harm(samples: list[Sample], console: Console) -> Figures:
    changed = [s.name for s in samples if redact(s.text, people=False).text != s.text]
    names = Counter(sample.name for sample in samples)
    shares = {name: changed.count(name) / number for name, number in names.items()}
    console.print(_table("Harmless texts that were changed", shares))
    return {
        "harmless_texts": len(samples),
        "harmless_changed": round(len(changed) / len(samples), 4),
        "harmless_changed_by_sort": {name: round(n, 4) for name, n in shares.items() if n},
    }


def _on_export(path: Path, console: Console, *, show: bool) -> Figures:
    texts = list(_messages(path))
    began = time.perf_counter()
    told = [redact(text, people=False) for text in texts]
    seconds = time.perf_counter() - began
    broken: Counter[str] = Counter()
    for before, after in zip(texts, told, strict=True):
        if after.kinds:
            lost = _lost(before, after.text)
            broken.update([*lost, *(["any"] if lost else [])])
            if show:
                for found in PLACEHOLDER.finditer(after.text):
                    around = after.text[max(0, found.start() - 70) : found.end() + 30]
                    console.print(repr(around), soft_wrap=True)
    shares = {name: broken[name] / len(texts) for name in ("any", *PRECISE)}
    console.print(_table("Messages whose code, version, hash or UUID was changed", shares))
    return {
        "messages": len(texts),
        "messages_broken": round(shares["any"], 5),
        "messages_broken_by_sort": {name: broken[name] for name in PRECISE},
        "messages_with_placeholder": round(sum(bool(t.kinds) for t in told) / len(texts), 5),
        "placeholders": dict(Counter(kind for t in told for kind in t.kinds)),
        "messages_per_second": round(len(texts) / seconds),
        "ms_per_message": round(1000 * seconds / len(texts), 4),
    }


def _messages(path: Path) -> Iterable[str]:
    export = open_export(path)
    for channel in export.channels:
        for message in export.messages(channel):
            yield mrkdwn_to_markdown(message.text)


def _lost(before: str, after: str) -> list[str]:
    return [
        name
        for name, pattern in PRECISE.items()
        if any(found.group() not in after for found in pattern.finditer(before))
    ]


def _table(title: str, shares: dict[str, float]) -> Table:
    table = Table("", "share", title=title)
    for name, share in shares.items():
        table.add_row(name, f"{share:.2%}")
    return table


if __name__ == "__main__":
    typer.run(main)
