"""A task and a frozen dataset version in; the task's rows, drawn from what the team has, out.

Whatever comes from the pairs keeps the side that its conversation has in the version.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from sqlalchemy import Engine

from builder import dataset
from builder.dataset import Row
from builder.tasks.rows import TaskRow, TaskRows, read, split
from builder.tasks.spec import Source, Task
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import DatasetVersion, Message, Passage
from lorekeeper.placeholders import placeholders_of
from lorekeeper.redact import redact
from lorekeeper.settings import Settings
from lorekeeper.store import datasets, messages, reading

LEAST = 5  # rows of a label; with fewer there is next to nothing to learn it from
LEAST_BEFORE = 2  # messages; a thread that is shorter needs no summary
LEAST_WORDS = 8  # of a document's section; shorter ones are headings and links
_SUMMARY = re.compile(
    r"^\W*(?:tl\s*;?\s*dr|summary|in short|zusammenfassung|kurz gesagt|résumé|en résumé|resumen)\b\W*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """What a team's rows are drawn from."""

    engine: Engine
    settings: Settings
    train: Sequence[Row]  # of a frozen version
    heldout: Sequence[Row]


def team(engine: Engine, settings: Settings, version: DatasetVersion) -> Team:
    """With the pairs of a frozen version."""
    folder = ArtifactStore(settings.store.data).open(version.folder)
    return Team(
        engine=engine,
        settings=settings,
        train=dataset.read(folder, datasets.TRAIN),
        heldout=dataset.read(folder, datasets.HELDOUT),
    )


def draw(task: Task, team: Team) -> TaskRows:
    """The task's rows on their sides.

    Raises:
        NotFound: the rows of a file are gone from the data folder.
        BadInput: nothing can be held out.
    """
    return _DRAWN[task.source](task, team)


def _from_file(task: Task, team: Team) -> TaskRows:
    return read(ArtifactStore(team.settings.store.data).open(task.rows))


def _from_pairs(task: Task, team: Team) -> TaskRows:
    return _each(team, lambda row: _drawn(row, row.question, row.answer))


def _from_tags(task: Task, team: Team) -> TaskRows:
    """Questions whose pair has exactly one of the labels among its tags."""
    known = set(task.labels) or _common(tag for row in _both(team) for tag in row.tags)
    several = sum(len(known & set(row.tags)) > 1 for row in _both(team))
    why = (f"{several} of these have several of the labels",) if several else ()
    return _labelled(team, lambda row: _only(known & set(row.tags)), why)


def _from_channels(task: Task, team: Team) -> TaskRows:
    with reading(team.engine) as db:
        names = {channel.id: f"#{channel.name}" for channel in messages.all_channels(db)}
    known = set(task.labels) or _common(
        names[row.channel] for row in _both(team) if row.channel in names
    )
    return _labelled(team, lambda row: _only({names.get(row.channel, "")} & known))


def _from_summaries(task: Task, team: Team) -> TaskRows:
    """Threads up to an approved answer that says it sums them up, or is tagged `summary`."""
    wanted = [row for row in _both(team) if "summary" in row.tags or _SUMMARY.match(row.answer)]
    with reading(team.engine) as db:
        threads = {row.pair_id: messages.thread(db, *_place(row)) for row in wanted if _place(row)}
    before = {
        row.pair_id: [one for one in threads.get(row.pair_id, []) if one.ts < row.answer_ts]
        for row in wanted
    }

    def summed(row: Row) -> TaskRow | None:
        said = before.get(row.pair_id, [])
        told = _SUMMARY.sub("", row.answer).strip()
        return _drawn(row, _transcript(said), told) if len(said) >= LEAST_BEFORE and told else None

    return _each(team, summed)


def _from_documents(task: Task, team: Team) -> TaskRows:
    """Each section under its title. A document is a group."""
    from retrieval import embed, sources

    settings = team.settings
    if not settings.retrieval.documents:
        return TaskRows(train=(), heldout=(), left_out=("LORE_RETRIEVAL__DOCUMENTS names none",))
    embedder = embed.load(settings.models.embedder_name, settings.store.data)
    sections: dict[str, list[Passage]] = {}
    for one in sources.from_documents(settings, embedder):
        sections.setdefault(one.parent or one.id, []).append(one)
    found = [
        row for row in map(_section, sections.values()) if len(row.output.split()) >= LEAST_WORDS
    ]
    return split(found, share=settings.train.heldout)


def _section(parts: Sequence[Passage]) -> TaskRow:
    first = parts[0]
    return TaskRow(
        input=f"What do the documents say about “{first.title}”?",
        output=redact("\n\n".join(one.text[one.lead :].strip() for one in parts)).text,
        group=first.url.partition("#")[0],
    )


def _general(task: Task, team: Team) -> TaskRows:
    text = files("builder.tasks").joinpath("general.jsonl").read_text(encoding="utf-8")
    found = [
        TaskRow(input=line["question"], output=line["answer"], group=f"general:{number}")
        for number, line in enumerate(map(json.loads, text.splitlines()))
    ]
    return split(found, share=team.settings.train.heldout)


_DRAWN: Mapping[Source, Callable[[Task, Team], TaskRows]] = {
    Source.FILE: _from_file,
    Source.PAIRS: _from_pairs,
    Source.TAGS: _from_tags,
    Source.CHANNELS: _from_channels,
    Source.SUMMARIES: _from_summaries,
    Source.DOCUMENTS: _from_documents,
    Source.GENERAL: _general,
}


def _labelled(
    team: Team, label: Callable[[Row], str | None], why: tuple[str, ...] = ()
) -> TaskRows:
    def drawn(row: Row) -> TaskRow | None:
        found = label(row)
        return _drawn(row, row.question, found) if found else None

    rows = _each(team, drawn)
    return replace(rows, left_out=(*rows.left_out, *why))


def _each(team: Team, drawn: Callable[[Row], TaskRow | None]) -> TaskRows:
    train, heldout = ([drawn(row) for row in side] for side in (team.train, team.heldout))
    gone = (*train, *heldout).count(None)
    return TaskRows(
        train=tuple(filter(None, train)),
        heldout=tuple(filter(None, heldout)),
        left_out=(f"{gone} pairs do not have what it takes",) if gone else (),
    )


def _drawn(row: Row, text: str, output: str) -> TaskRow:
    return TaskRow(input=text, output=output, group=row.conversation, pair_id=row.pair_id)


def _both(team: Team) -> Iterator[Row]:
    yield from team.train
    yield from team.heldout


def _common(labels: Iterator[str]) -> set[str]:
    return {label for label, count in Counter(labels).items() if count >= LEAST}


def _only(found: set[str]) -> str | None:
    return next(iter(found)) if len(found) == 1 else None


def _place(row: Row) -> tuple[str, str]:
    channel, _, root = row.conversation.partition("/")
    return channel, root


def _transcript(said: Sequence[Message]) -> str:
    """Who said what, the people as letters; redacted once more, for stored messages keep who mentions whom."""
    known = placeholders_of(said)
    letters: dict[str, str] = {}
    lines = []
    for one in said:
        who = letters.setdefault(one.author, f"Person {len(letters) + 1}")
        lines.append(f"{who}: {redact(one.text, known).text}")
    return "\n".join(lines)
