"""A folder in BEIR's layout in; its texts, its questions and what answers them out, and back.

`corpus.jsonl` ({"_id", "title", "text"}), `queries.jsonl` ({"_id", "text"}) and `qrels/SPLIT.tsv`
(query-id, corpus-id, score, under a line of headings): Thakur et al., "BEIR", NeurIPS 2021.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorekeeper.errors import BadInput, NotFound

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels"
SPLIT = "test"  # what published figures are of
LAYOUT = f"A collection is {CORPUS}, {QUERIES} and {QRELS}/*.tsv; see docs/retrieval.md."


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Texts by id, questions by id, and for each question the grade of every text that was judged."""

    name: str
    texts: Mapping[str, str]  # title and text in one, as BEIR's own baselines read them
    questions: Mapping[str, str]  # only those that some text answers
    judged: Mapping[str, Mapping[str, int]]  # above 0: relevant, more is better


def read(folder: Path, split: str = SPLIT) -> Collection:
    """Read a collection; of several splits the one named, and of a single one that one.

    Raises:
        NotFound: a file is missing.
        BadInput: a line is not what the layout asks for; says which file and line.
    """
    texts = {name: _joined(entry) for name, entry in _entries(folder / CORPUS)}
    asked = {name: str(entry["text"]) for name, entry in _entries(folder / QUERIES)}
    path = _qrels(folder, split)
    judged = dict[str, dict[str, int]]()
    for line, query, text, grade in _judgements(path):
        for kind, name, known in (("query", query, asked), ("text", text, texts)):
            if name not in known:
                raise _bad(path, line, f"the {kind} {name!r} is in no {_file_of(kind)}")
        judged.setdefault(query, {})[text] = grade
    answered = {name: grades for name, grades in judged.items() if max(grades.values()) > 0}
    if not answered:
        raise BadInput(f"{path} names no text that answers a question.", fix=LAYOUT)
    questions = {name: asked[name] for name in answered}
    return Collection(name=folder.name, texts=texts, questions=questions, judged=answered)


def write(collection: Collection, folder: Path) -> None:
    """Write it where `read` finds it again, to the letter."""
    (folder / QRELS).mkdir(parents=True, exist_ok=True)
    for file, entries in ((CORPUS, collection.texts), (QUERIES, collection.questions)):
        with (folder / file).open("w", encoding="utf-8") as lines:
            for name, text in entries.items():
                lines.write(json.dumps({"_id": name, "text": text}, ensure_ascii=False) + "\n")
    with (folder / QRELS / f"{SPLIT}.tsv").open("w", encoding="utf-8", newline="") as judgements:
        table = csv.writer(judgements, delimiter="\t", lineterminator="\n")
        table.writerow(("query-id", "corpus-id", "score"))
        for query, grades in collection.judged.items():
            table.writerows((query, text, grade) for text, grade in grades.items())


def _entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    seen = set[str]()
    for line, text in _lines(path):
        try:
            entry = json.loads(text)
        except ValueError:
            raise _bad(path, line, "it is not JSON") from None
        if not isinstance(entry, dict) or not isinstance(entry.get("text"), str):
            raise _bad(path, line, 'it is no object with a "text"')
        name = str(entry.get("_id", ""))
        if not name or name in seen:
            raise _bad(path, line, f'its "_id" {name!r} is {"given twice" if name else "missing"}')
        seen.add(name)
        yield name, entry


def _joined(entry: Mapping[str, Any]) -> str:
    return f"{entry.get('title') or ''} {entry['text']}".strip()


def _qrels(folder: Path, split: str) -> Path:
    found = sorted((folder / QRELS).glob("*.tsv"))
    if not found:
        raise NotFound(f"{folder / QRELS} holds no .tsv file.", fix=LAYOUT)
    named = [path for path in found if path.stem == split]
    if not named and len(found) > 1:
        splits = ", ".join(path.stem for path in found)
        raise NotFound(
            f"{folder} has no split {split!r}; it has {splits}.", fix="Name one: --split."
        )
    return (named or found)[0]


def _judgements(path: Path) -> Iterator[tuple[int, str, str, int]]:
    """Line, query, text and grade. The first line is one of headings, as in every published file."""
    for line, text in _lines(path):
        cells = text.split("\t")
        if line == 1 and not _is_grade(cells[-1]):
            continue
        if len(cells) != 3:
            raise _bad(path, line, f"it has {len(cells)} cells, not query-id, corpus-id and score")
        if not _is_grade(cells[2]):
            raise _bad(path, line, f"the score {cells[2]!r} is not a whole number")
        yield line, cells[0], cells[1], int(cells[2])


def _is_grade(text: str) -> bool:
    return text.strip().removeprefix("-").isdecimal()


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that hold something, counted from 1."""
    if not path.is_file():
        raise NotFound(f"{path} is missing.", fix=LAYOUT)
    with path.open("rb") as file:
        for line, raw in enumerate(file, 1):
            try:
                text = raw.decode("utf-8-sig" if line == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                raise _bad(path, line, "it is not UTF-8") from None
            if text.strip():
                yield line, text


def _file_of(kind: str) -> str:
    return QUERIES if kind == "query" else CORPUS


def _bad(path: Path, line: int, why: str) -> BadInput:
    return BadInput(f"{path}, line {line}: {why}.", fix=LAYOUT)
