"""A folder of Markdown in; how well its sections are found by a question about each, and how fast, out.

Two questions a section, with the right passages known: "TITLE HEADING", and one in other words
where the heading is one of the usual four of a runbook. The last line is one JSON object.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Passage
from lorekeeper.settings import Models, Retrieval, Settings
from retrieval.chunks import STEP
from retrieval.embed import load
from retrieval.evaluate import BM25, DENSE, FUSED, SERVED, arms
from retrieval.index import Index, build
from retrieval.measure import CUT, MEASURES, Scores, measure
from retrieval.sources import from_documents

QUICK = 150  # questions of each kind; --full asks all of them
IN_OTHER_WORDS = {
    "meaning": "what does it mean when {}?",
    "impact": "what happens to us if {}?",
    "diagnosis": "how do I find out why {}",
    "mitigation": "how do we fix {}",
}
EVERYONE = frozenset({PUBLIC})

Question = tuple[str, frozenset[str]]  # and the ids of the passages that answer it


def main(
    folder: Annotated[Path, typer.Argument(help="Markdown pages.", exists=True)],
    full: Annotated[bool, typer.Option(help="Ask every question.")] = False,
    embedder: Annotated[str, typer.Option(help="Model to embed with.")] = Models().embedder,
) -> None:
    """Measure BM25, the embedder, and both fused, on the pages of a folder."""
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory() as scratch:
        model = load(embedder, Path(scratch))
        settings = Settings(retrieval=Retrieval(documents=(str(folder),)))
        passages = list(from_documents(settings, model))
        began = time.perf_counter()
        index = build(passages, model, ArtifactStore(Path(scratch)))
        per_second = len(passages) / (time.perf_counter() - began)
        result: dict[str, object] = {
            "passages": len(passages),
            "embedder": embedder,
            "embedded_per_second": round(per_second, 1),
        }
        for name, questions in {
            "title and heading": questions_by_heading(passages),
            "other words": questions_in_other_words(passages),
        }.items():
            asked = questions if full else _spread(questions, QUICK)
            scores = _scores(index, asked)
            console.print(_table(f"{name}: {len(asked)} questions", scores))
            result[name] = {way: _rounded(score) for way, score in scores.items()}
        result["search_p50_ms"] = round(_milliseconds(index, questions_by_heading(passages)), 2)
    print(json.dumps(result))


def questions_by_heading(passages: Iterable[Passage]) -> list[Question]:
    return [
        (f"{page.partition(' (')[0]} {heading}", ids) for page, heading, ids in _sections(passages)
    ]


def questions_in_other_words(passages: Iterable[Passage]) -> list[Question]:
    return [
        (IN_OTHER_WORDS[heading.lower()].format(page.partition(" (")[0].lower()), ids)
        for page, heading, ids in _sections(passages)
        if heading.lower() in IN_OTHER_WORDS
    ]


def _sections(passages: Iterable[Passage]) -> list[tuple[str, str, frozenset[str]]]:
    """Page title, last heading, and the passages of every section below a page's title."""
    found = dict[tuple[str, str, str], set[str]]()
    for passage in passages:
        page, *headings = passage.title.split(STEP)
        if headings:
            place = (passage.url.partition("#")[0], page, headings[-1])
            found.setdefault(place, set()).add(passage.id)
    return [(page, heading, frozenset(ids)) for (_, page, heading), ids in found.items()]


def _scores(index: Index, asked: list[Question]) -> dict[str, Scores]:
    """Of each way of searching, all read from the same searches."""
    traces = [index.trace(question, scopes=EVERYONE, k=CUT) for question, _ in asked]
    judged = [dict.fromkeys(ids, 1) for _, ids in asked]
    orders = [arms(hits) for hits in traces]
    return {
        arm: measure([order[arm] for order in orders], judged, k=4)
        for arm in (BM25, DENSE, FUSED, SERVED)
    }


def _milliseconds(index: Index, questions: list[Question]) -> float:
    """The median of whole searches, the embedding of the question included."""
    times = []
    for question, _ in _spread(questions, QUICK):
        began = time.perf_counter()
        index.search(question, scopes=EVERYONE, k=4)
        times.append(time.perf_counter() - began)
    return 1000 * median(times)


def _spread(questions: list[Question], count: int) -> list[Question]:
    return questions[:: max(1, len(questions) // count)][:count]


def _rounded(scores: Scores) -> dict[str, float]:
    return {
        "ndcg@10": round(scores.mean("ndcg"), 3),
        "mrr@10": round(scores.mean("mrr"), 3),
        "recall@4": round(scores.mean("recall"), 3),
    }


def _table(title: str, found: dict[str, Scores]) -> Table:
    table = Table(title=title)
    for name in ("", "nDCG@10", "MRR@10", "recall@4"):
        table.add_column(name)
    for way, scores in found.items():
        table.add_row(way, *(f"{scores.mean(each):.3f}" for each in MEASURES))
    return table


if __name__ == "__main__":
    typer.run(main)
