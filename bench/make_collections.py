"""Runbooks, a Slack export, tasks and pages of questions in; a folder in BEIR's layout for each, out.

Beside what is given as arguments, three come from what every machine has: Python's language reference
(a topic's title finds its text), the docstrings of its standard library (the first line finds the
rest), and the demo workspace and the made-up handbook of this project. No text repeats its question.
Nobody's data is committed: the folders are made where they are measured. The last line is one JSON
object of how many texts and questions each has.
"""

from __future__ import annotations

import ast
import csv
import json
import re
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from bench.labelled.handbook import ANSWERED, PASSAGES
from bench.mining import gold_of, messages, opens_with_a_question
from bench.retrieval import Question, questions_by_heading, questions_in_other_words
from bot.demo.bundled import conversations
from builder.imports import faq
from builder.imports.entries import Columns, Entry
from lorekeeper.domain import Message
from lorekeeper.settings import Models, Retrieval, Settings
from retrieval import beir, chunks, embed, language
from retrieval.beir import Collection
from retrieval.sources import from_documents

LEAST_WORDS = 12  # of the rest of a docstring, and of what was said after a question
PACKAGES = (
    "asyncio collections concurrent email http importlib json logging multiprocessing urllib xml"
)
Asked = tuple[str, str, Iterable[str]]  # id, question, ids of the texts that answer it


def main(
    out: Annotated[Path, typer.Argument(help="Where the folders are made.")],
    pages: Annotated[Path | None, typer.Option(help="A folder of runbooks.", exists=True)] = None,
    slack: Annotated[Path | None, typer.Option(help="A Slack export.", exists=True)] = None,
    gold: Annotated[Path | None, typer.Option(help="CSV: ts,conversation_id", exists=True)] = None,
    tasks: Annotated[Path | None, typer.Option(help="Self-instruct tasks.", exists=True)] = None,
    faqs: Annotated[
        list[Path] | None, typer.Option(help="HTML page of questions.", exists=True)
    ] = None,
) -> None:
    """Make one folder for each collection."""
    made = [_topics(), _docstrings(), _demo(), _handbook()]
    if pages:
        made += _runbooks(pages)
    if slack and gold:
        made += [_conversations(slack, gold), _single_messages(slack, gold)]
    if tasks:
        made.append(_tasks(tasks))
    if faqs:
        made.append(_faq(faqs))
    for collection in made:
        beir.write(collection, out / collection.name)
    print(json.dumps({one.name: [len(one.texts), len(one.questions)] for one in made}))


def _collection(name: str, texts: dict[str, str], asked: Iterable[Asked]) -> Collection:
    kept = [(key, question, ids) for key, question, ids in asked if question.strip()]
    return Collection(
        name=name,
        texts={key: text for key, text in texts.items() if text.strip()},
        questions={key: question for key, question, _ in kept},
        judged={key: dict.fromkeys(ids, 1) for key, _, ids in kept},
    )


def _runbooks(folder: Path) -> list[Collection]:
    """Two kinds of question about each section; the texts are the passages that are searched."""
    with tempfile.TemporaryDirectory() as scratch:
        embedder = embed.load(Models().embedder, Path(scratch))
        settings = Settings(retrieval=Retrieval(documents=(str(folder),)))
        found = list(from_documents(settings, embedder))
    texts = {one.id: one.text for one in found}
    kinds = {
        "headings": questions_by_heading(found),
        "other-words": questions_in_other_words(found),
    }
    return [
        _collection(f"{folder.name}-{kind}", texts, _numbered(questions))
        for kind, questions in kinds.items()
    ]


def _numbered(questions: list[Question]) -> Iterator[Asked]:
    return ((str(number), asked, ids) for number, (asked, ids) in enumerate(questions))


def _conversations(export: Path, gold: Path) -> Collection:
    """The asker's first words find what others said to them."""
    texts, asked = dict[str, str](), list[Asked]()
    for name, said in _by_conversation(export, gold):
        first, rest = _opening(said)
        text = "\n\n".join(message.text for message in rest)
        if len(text.split()) < LEAST_WORDS:
            continue
        texts[name] = text
        if opens_with_a_question(said):
            asked.append((name, "\n".join(message.text for message in first), [name]))
    return _collection("slack-conversations", texts, asked)


def _single_messages(export: Path, gold: Path) -> Collection:
    """The asker's first words find each message of the same conversation: a hard one."""
    texts, asked = dict[str, str](), list[Asked]()
    for name, said in _by_conversation(export, gold):
        first, rest = _opening(said)
        rest = [one for one in rest if len(one.text.split()) >= LEAST_WORDS]
        texts |= {one.ts: one.text for one in rest}
        if rest and opens_with_a_question(said):
            asked.append((name, "\n".join(one.text for one in first), [one.ts for one in rest]))
    return _collection("slack-messages", texts, asked)


def _by_conversation(export: Path, gold: Path) -> Iterator[tuple[str, list[Message]]]:
    known, found = gold_of(gold), dict[str, list[Message]]()
    for message in messages(export):
        if message.ts in known:
            found.setdefault(known[message.ts], []).append(message)
    yield from found.items()


def _opening(said: list[Message]) -> tuple[list[Message], list[Message]]:
    """What its first speaker said before anybody else did, and the rest."""
    others = [at for at, message in enumerate(said) if message.author != said[0].author]
    return said[: others[0]] if others else said, said[others[0] :] if others else []


def _topics() -> Collection:
    texts, asked = dict[str, str](), list[Asked]()
    for number, topic in enumerate(language.topics()):
        body = re.sub(r"^\s*#+ .+\n", "", topic.text, count=1)
        cut = chunks.document(body, title="", limit=150, count=lambda text: len(text.split()))
        parts = {f"{number}-{at}": chunk.text for at, chunk in enumerate(cut)}
        texts |= parts
        asked.append((str(number), topic.title, list(parts)))
    return _collection("python-topics", texts, asked)


def _docstrings() -> Collection:
    """Only what is long enough to be told from others; the first of those that begin alike."""
    found = dict[str, tuple[str, str]]()
    for path in _modules():
        for name, told in _documented(path):
            first, _, rest = told.partition("\n\n")
            if len(rest.split()) >= LEAST_WORDS and len(first.split()) >= 4:
                found.setdefault(" ".join(first.split()), (f"{path.stem}.{name}", rest))
    texts = {f"{number}": rest for number, (_, rest) in enumerate(found.values())}
    return _collection(
        "python-docstrings",
        texts,
        [(str(number), first, [str(number)]) for number, first in enumerate(found)],
    )


def _modules() -> list[Path]:
    root = Path(sysconfig.get_path("stdlib"))
    inside = [path for name in PACKAGES.split() for path in (root / name).rglob("*.py")]
    return sorted([*root.glob("*.py"), *inside])


def _documented(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, ast.get_docstring(node) or ""


def _demo() -> Collection:
    """Some questions were asked twice, and answered twice: either answer is right."""
    told = [(one["id"], one["ask"], one["answer"]) for one in conversations()]
    texts = {name: answer for name, _, answer in told}
    alike = dict[str, list[str]]()
    for name in texts:
        alike.setdefault(name.removesuffix("-again"), []).append(name)
    asked = [(name, ask, alike[name.removesuffix("-again")]) for name, ask, _ in told]
    return _collection("demo-workspace", texts, asked)


def _handbook() -> Collection:
    asked = [(str(number), question, [page]) for number, (question, page) in enumerate(ANSWERED)]
    return _collection("handbook", dict(PASSAGES), asked)


def _tasks(path: Path) -> Collection:
    """An instruction with its input finds what was answered."""
    tasks = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    first = {task["id"]: (task["instruction"], task["instances"][0]) for task in tasks}
    texts = {name: instance["output"] for name, (_, instance) in first.items()}
    asked = [
        (name, f"{instruction}\n{instance['input']}".strip(), [name])
        for name, (instruction, instance) in first.items()
    ]
    return _collection("tasks", texts, asked)


def _faq(pages: list[Path]) -> Collection:
    found = [one for page in pages for one in faq.html(page, Columns()) if isinstance(one, Entry)]
    texts = {str(number): one.row.answer for number, one in enumerate(found)}
    asked = [
        (str(number), one.row.question.strip("¶ "), [str(number)])
        for number, one in enumerate(found)
    ]
    return _collection("faq", texts, asked)


if __name__ == "__main__":
    csv.field_size_limit(2**24)
    typer.run(main)
