"""Labelled sentences and questions in; how often a number is right, and how often the bot declines rightly, out.

The team, its handbook and all labels are made up (`bench/labelled/handbook.py`, `claims.py`). Folders
given as arguments are measured beside them: each question about a page is asked once with the page in
the index, and once without it. The last line is one JSON object.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.labelled.claims import NOT_SAID, SAID
from bench.labelled.handbook import ANSWERED, PASSAGES, UNANSWERED
from bench.retrieval import questions_by_heading
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Passage, PassageKind
from lorekeeper.settings import Retrieval, Settings
from lorekeeper.support import supporting
from retrieval import embed, sources
from retrieval.embed import Embedder
from retrieval.evidence import enough
from retrieval.index import Index, build
from retrieval.sources import passage

EVERYONE = frozenset({PUBLIC})
BESIDE = (
    0,
    1,
    7,
    13,
)  # places of the passages that a sentence is compared with; the first is its own
QUICK = 60  # questions of a folder


def main(
    folders: Annotated[list[Path] | None, typer.Argument(help="Folders of documents.")] = None,
    full: Annotated[bool, typer.Option(help="All questions of each folder.")] = False,
) -> None:
    """Measure citations, and answers that should not be given."""
    console = Console(stderr=True, highlight=False)
    figures = _citations()
    settings = Settings()
    embedder = embed.load(settings.models.embedder_name, settings.store.data)
    with tempfile.TemporaryDirectory() as folder:
        artifacts = ArtifactStore(Path(folder))
        least = settings.retrieval.min_evidence
        handbook = build(list(_handbook().values()), embedder, artifacts)
        figures |= {
            "declined_unanswerable": _declined(handbook, UNANSWERED, least),
            "declined_answerable": _declined(handbook, [asked for asked, _ in ANSWERED], least),
        }
        for documents in folders or ():
            figures |= _leaving_out(documents, embedder, artifacts, least, full=full)
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, str(value))
    console.print(table)
    print(json.dumps(figures))


def _handbook() -> dict[str, Passage]:
    return {
        name: passage(kind=PassageKind.DOCUMENT, text=text, title=name, url=f"https://x/{name}")
        for name, text in PASSAGES.items()
    }


def _citations() -> dict[str, float]:
    """Precision over all numbers that are given, and the share of true sentences that get theirs."""
    pages = _handbook()
    right = sum(_number(sentence, name, pages) == 1 for sentence, name in SAID)
    elsewhere = sum(_number(sentence, name, pages) not in {1, None} for sentence, name in SAID)
    wrong = sum(_number(sentence, name, pages) is not None for sentence, name in NOT_SAID)
    return {
        "sentences": len(SAID) + len(NOT_SAID),
        "citation_precision": round(right / (right + elsewhere + wrong), 4),
        "citation_recall": round(right / len(SAID), 4),
    }


def _number(sentence: str, name: str, pages: dict[str, Passage]) -> int | None:
    names = list(pages)
    at = names.index(name)
    return supporting(sentence, [pages[names[(at + step) % len(names)]] for step in BESIDE])


def _declined(index: Index, questions: Sequence[str], least: float) -> float:
    declined = sum(_is_declined(index, question, least) for question in questions)
    return round(declined / len(questions), 4)


def _is_declined(
    index: Index, question: str, least: float, without: frozenset[str] = frozenset()
) -> bool:
    hits = index.search(question, scopes=EVERYONE, k=8, exclude=without)
    return not enough(hits, least)


def _leaving_out(
    folder: Path, embedder: Embedder, artifacts: ArtifactStore, least: float, *, full: bool
) -> dict[str, float]:
    """With its page in the index, and without it; other pages of the folder are often alike."""
    settings = Settings(retrieval=Retrieval(documents=(str(folder),)))
    found = [
        # Each page is a conversation of its own, so that it can be left out.
        passage(
            kind=one.kind, text=one.text, title=one.title, url=one.url,
            conversation=one.url.partition("#")[0],
        )
        for one in sources.from_documents(settings, embedder)
    ]  # fmt: skip
    index = build(found, embedder, artifacts)
    pages = {one.id: one.conversation for one in found}
    asked = questions_by_heading(found)
    asked = asked if full else asked[:: max(1, len(asked) // QUICK)]
    known = sum(_is_declined(index, question, least) for question, _ in asked)
    unknown = sum(
        _is_declined(index, question, least, frozenset(pages[one] for one in ids))
        for question, ids in asked
    )
    return {
        f"{folder.name}_questions": len(asked),
        f"{folder.name}_declined_answerable": round(known / len(asked), 4),
        f"{folder.name}_declined_left_out": round(unknown / len(asked), 4),
    }


if __name__ == "__main__":
    typer.run(main)
