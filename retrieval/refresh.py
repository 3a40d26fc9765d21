"""A database that changes in, an index that follows it out: updated beside the one that serves, then swapped.

What was deleted or withdrawn is never quoted, not even by an index that is older than the deletion.
"""

from __future__ import annotations

import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, Self

from sqlalchemy import Engine

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Hit, Passage, PassageKind
from lorekeeper.errors import Cancelled, LorekeeperError
from lorekeeper.settings import Settings
from lorekeeper.store import indexes, reading
from lorekeeper.store.rows import plain, revive
from lorekeeper.telemetry import error_id
from retrieval import embed, recorded, rerank, sources
from retrieval.changes import Changes, Difference, difference
from retrieval.embed import Embedder
from retrieval.index import EVERY_KIND, Index, build, merge, open_index, update
from retrieval.pages import Pages

PORTION = 2_000  # passages after which a long build is searchable, and kept if the process ends
ERASE_AFTER = 3600.0  # seconds; then what was deleted leaves the files, too

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the refresher is doing, for `/healthz` and for people."""

    passages: int = 0
    looked_at: float = 0.0  # the index holds everything that was committed before this time
    is_building: bool = False
    to_embed: int = 0  # passages of a long build
    embedded: int = 0  # and how many of them are done
    error: str = ""  # the last failure, with the id under which its traceback is logged


class Refresher:
    """Keeps the newest index. `start` opens the last one and begins to follow the database."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        embedder: Embedder,
        artifacts: ArtifactStore | None = None,
        told: Callable[[Status], None] = lambda status: None,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._embedder = embedder
        self._artifacts = artifacts or ArtifactStore(settings.store.data)
        self._told = told
        self._reranker = rerank.of(settings)
        self._pages = Pages(settings, embedder, self._check)
        self._pages_held = 0
        self._stop = threading.Event()
        self._threads = list[threading.Thread]()
        self._erased = time.monotonic()
        self._looking = threading.Lock()
        self._swapped = threading.Condition()
        self.status = Status()
        self.index = recorded.last(engine, embedder, self._artifacts, self._load) or self._empty()
        # With another embedder, the last index serves while this one grows beside it.
        self._growing: Index | None = None
        self._changes = Changes(at=self.index.as_of)

    def search(
        self,
        question: str,
        *,
        scopes: frozenset[str],
        k: int,
        exclude: frozenset[str] = frozenset(),
        kinds: frozenset[PassageKind] = EVERY_KIND,
    ) -> list[Hit]:
        """`Index.search` on the newest index, with every hit's source checked at this moment."""
        index = self.index
        while True:
            hits = index.search(
                question, scopes=scopes, k=k, exclude=exclude, kinds=kinds, reranker=self._reranker
            )
            with reading(self._engine) as db:
                dead = recorded.withdrawn(db, (hit.passage for hit in hits))
            if not dead:
                return hits
            index.hide(dead)

    def section(self, passage: Passage, *, exclude: frozenset[str] = frozenset()) -> list[Passage]:
        """`Index.section` on the newest index; nothing where something of it was taken back since."""
        parts = self.index.section(passage, exclude=exclude)
        with reading(self._engine) as db:
            return [] if recorded.withdrawn(db, parts) else parts

    def look(self) -> bool:
        """Look once, and follow what has changed; whether anything that is searched had.

        What may no longer be quoted is hidden before anything is embedded.
        """
        with self._looking:
            self._adopt()
            now = time.time()
            self._look_at_documents()
            is_whole = self.index.as_of > 0 and self.index.embedder.name == self._embedder.name
            has_changed = self._follow(now) if is_whole else self._catch_up(now)
            self._tell(looked_at=now, is_building=False, error=self._pages.error)
            return has_changed

    def tidy(self) -> None:
        """Merge what updates have left for later; what was deleted leaves the files."""
        erase = time.monotonic() - self._erased > ERASE_AFTER
        before = self.index
        merged = merge(
            before, self._artifacts, erase=erase, storage=self._settings.retrieval.vectors
        )
        if erase:
            self._erased = time.monotonic()
        if merged is not None:
            with self._looking:
                self._swap(self._continued(merged, before))

    def wait_for(self, is_ready: Callable[[Index], bool], timeout: float) -> bool:
        """Wait until the newest index is as wanted; whether it was, within `timeout` seconds."""
        with self._swapped:
            return self._swapped.wait_for(lambda: is_ready(self.index), timeout)

    def wait_past(self, at: float, timeout: float) -> bool:
        """Wait until the index holds everything that was committed before this time."""
        with self._swapped:
            return self._swapped.wait_for(lambda: self.status.looked_at >= at, timeout)

    def start(self) -> Self:
        """Follow the database, merge segments and read documents in threads of their own, until `stop`."""
        deeds = {"index": self.look, "index-merge": self.tidy, "documents": self._pages.look}
        for name, deed in deeds.items():
            thread = threading.Thread(target=self._repeat, args=(deed,), name=name)
            self._threads.append(thread)
            thread.start()
        return self

    def stop(self) -> None:
        """End within a few seconds; a half-written index leaves nothing behind."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _repeat(self, deed: Callable[[], object]) -> None:
        while not self._stop.is_set():
            try:
                deed()
            except Cancelled:
                return
            except Exception as error:
                failure = error_id()
                log.exception("the index could not be refreshed (%s)", failure)
                self._tell(is_building=False, error=f"{_reason(error)} ({failure})")
            self._stop.wait(self._settings.retrieval.refresh_seconds)

    def _follow(self, now: float) -> bool:
        """Bring the index that serves up to date with what was touched since the last time."""
        with reading(self._engine) as db:
            touched = self._changes.since(db, self.index)
            wanted = Difference()
            if touched:
                wanted = difference(db, self._settings, self._embedder, self.index, touched)
        pages = self._pages.version
        if self._pages_held != pages:
            wanted += self._pages.difference(self.index)
        if wanted:
            self.index.hide(wanted.removed)
            self._tell(is_building=True)
            self._swap(self._updated(self.index, wanted, as_of=now), wanted.added)
        self._pages_held = pages
        self._changes.done(now)
        return bool(wanted)

    def _catch_up(self, now: float) -> bool:
        """Compare with everything there is, and add what is missing in portions.

        Each portion is searchable at once and is there at the next start; an index of another
        embedder goes on serving, and following, until the new one is whole.
        """
        serves = self.index.embedder.name == self._embedder.name
        growing = self.index if serves else self._unfinished()
        fresh, pages = Changes(at=now), self._pages.version
        is_read = self._pages.is_whole  # else the documents may still come
        self._tell(is_building=True)
        with tempfile.TemporaryFile() as spool:
            with reading(self._engine) as db:
                fresh.since(db, growing)
                said = sources.from_slack(db, self._settings, self._embedder)
                held, missing = _spooled(chain(said, self._pages.passages()), growing, spool)
            gone = frozenset(
                p.id
                for p in growing.shown()
                if p.id not in held and (is_read or p.kind is not PassageKind.DOCUMENT)
            )
            has_changed = bool(missing or gone)
            growing = self._updated(growing, Difference(removed=gone))
            self._tell(to_embed=missing, embedded=0)
            for portion in _portions(spool):
                growing = self._updated(growing, Difference(added=portion))
                self._tell(embedded=self.status.embedded + len(portion))
                if serves:
                    self._swap(growing, portion)
                else:
                    self._growing = growing
                    self._follow_meanwhile()
        self._growing = None
        self._swap(self._updated(growing, Difference(), as_of=now))
        fresh.done(now)
        self._changes, self._pages_held = fresh, pages
        self._tell(to_embed=0, embedded=0)
        return has_changed

    def _follow_meanwhile(self) -> None:
        if self.index.as_of > 0:
            self._look_at_documents()
            self._follow(time.time())

    def _look_at_documents(self) -> None:
        """Unless a thread does: it may take minutes, and messages do not wait for that."""
        if not self._threads:
            self._pages.look()

    def _updated(self, index: Index, wanted: Difference, as_of: float = 0.0) -> Index:
        return update(
            index,
            self._artifacts,
            added=wanted.added,
            removed=wanted.removed,
            as_of=as_of,
            storage=self._settings.retrieval.vectors,
            check=self._check,
        )

    def _continued(self, merged: Index, before: Index) -> Index:
        """What was merged, with what changed while it was."""
        now = self.index
        if now is before:
            return merged
        old = {segment.folder for segment in before.segments}
        new = [segment for segment in now.segments if segment.folder not in old]
        ids = (passage.id for segment in before.segments for passage in segment.passages)
        return update(
            merged,
            self._artifacts,
            added=[p for segment in new for p in segment.passages if now.holds(p.id)],
            removed=[name for name in ids if merged.holds(name) and not now.holds(name)],
            as_of=now.as_of,
            previous=now,
            storage=self._settings.retrieval.vectors,
        )

    def _swap(self, new: Index, added: Iterable[Passage] = ()) -> None:
        """Serve the new index, and remove what it does not hold."""
        with reading(self._engine) as db:  # it was made from what was there a while ago
            new.hide(recorded.withdrawn(db, added))
        self.index = new
        recorded.put(self._engine, self._artifacts, new, self._growing)

    def _adopt(self) -> None:
        """Go on with the index that another process has recorded meanwhile."""
        with reading(self._engine) as db:
            row = indexes.current(db)
        if row is None or row.folder == self.index.folder:
            return
        try:
            self.index = open_index(self._artifacts.root / row.folder, self._embedder)
        except LorekeeperError as error:
            log.debug("the recorded index is not used: %s", error)
        else:
            self._changes = Changes(at=self.index.as_of)

    def _load(self, name: str) -> Embedder:
        return embed.load(name, self._settings.store.data)

    def _empty(self) -> Index:
        return build([], self._embedder, self._artifacts)

    def _unfinished(self) -> Index:
        self._growing = self._growing or recorded.unfinished(self._embedder, self._artifacts)
        return self._growing or self._empty()

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled("The refresher was stopped.", fix="What is done is kept.")

    def _tell(self, **changes: Any) -> None:
        with self._swapped:
            self.status = replace(self.status, passages=len(self.index), **changes)
            self._swapped.notify_all()
        self._told(self.status)


def _spooled(passages: Iterable[Passage], index: Index, spool: Any) -> tuple[set[str], int]:
    """Ids of the passages that the index holds; the others are written, and counted."""
    held, missing = set[str](), 0
    for passage in passages:
        if index.holds(passage.id):
            held.add(passage.id)
        else:
            missing += 1
            spool.write(json.dumps(plain(passage)).encode() + b"\n")
    spool.seek(0)
    return held, missing


def _portions(spool: Any) -> Iterator[tuple[Passage, ...]]:
    while portion := tuple(revive(Passage, json.loads(line)) for line in islice(spool, PORTION)):
        yield portion


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, LorekeeperError) else type(error).__name__
