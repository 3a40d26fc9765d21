"""A file of questions and answers in; candidates for review, redacted, out. Files: JSON, tables, FAQ pages."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from sqlalchemy import Engine

from builder.dataset import Row
from builder.imports.files import Columns, Entry, Problem, read
from lorekeeper.domain import PUBLIC, Origin, Pair, PairState
from lorekeeper.redact import Placeholders, redact
from lorekeeper.store import pairs

BATCH = 500  # pairs stored at a time
PLACE = "import"  # stands where the id of a Slack channel would
NO_ID = 0  # the store gives one


@dataclass(slots=True, kw_only=True)
class Report:
    """What an import did; each problem with the line that it is about."""

    read: int = 0
    added: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def known(self) -> int:
        """How many were stored before, in whatever state they are now."""
        return self.read - self.added


def import_pairs(
    engine: Engine, path: Path, *, by: str, columns: Columns | None = None, scope: str = PUBLIC
) -> Report:
    """Store every usable line as a candidate; a line that is stored already changes nothing.

    `scope` says who may see what has no scope of its own: everyone, or a private channel's id.

    Raises:
        BadInput: the file cannot be read at all; nothing was stored.
    """
    report = Report()
    usable = _entries(read(path, columns), report)
    while batch := list(islice(usable, BATCH)):
        candidates = [_candidate(entry.row, path, by, scope) for entry in batch]
        report.read += len(batch)
        with engine.begin() as db:
            report.added += len(pairs.add_new(db, candidates))
    return report


def _entries(found: Iterator[Entry | Problem], report: Report) -> Iterator[Entry]:
    for one in found:
        if isinstance(one, Problem):
            report.problems.append(one)
        else:
            yield one


def _candidate(row: Row, path: Path, by: str, scope: str) -> Pair:
    """What came from Slack keeps its place; anything else is known by its words."""
    known = Placeholders()
    asked, told = redact(row.question, known), redact(row.answer, known)
    instead = redact(row.rejected_answer, known) if row.rejected_answer else None
    is_from_slack = bool(row.channel and row.answer_ts)
    name = hashlib.sha256(f"{row.question}\0{row.answer}".encode()).hexdigest()[:32]
    return Pair(
        id=NO_ID,
        question=asked.text,
        answer=told.text,
        state=PairState.CANDIDATE,
        origin=Origin.IMPORT,
        channel=row.channel if is_from_slack else PLACE,
        scope=row.scope or scope,
        conversation=row.conversation or f"{PLACE}/{name}",
        source=row.source or path.name,
        answer_ts=row.answer_ts if is_from_slack else name,
        authors=row.authors,
        captured_by=by,
        captured_at=time.time(),
        rejected_answer=instead.text if instead else None,
        redactions=row.redactions + asked.kinds + told.kinds,
        tags=row.tags,
        also_asked=tuple(redact(one, known).text for one in row.also_asked),
    )
