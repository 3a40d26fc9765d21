"""A database that changes in, an index that follows it out: built beside the one that serves, then swapped.

What was deleted or withdrawn is never quoted, not even by an index that is older than the deletion.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Hit, Passage, PassageKind
from lorekeeper.errors import BadInput, Cancelled, LorekeeperError, NotFound
from lorekeeper.settings import Settings
from lorekeeper.store import indexes, messages, reading
from lorekeeper.telemetry import error_id
from retrieval import documents, rerank, sources
from retrieval.embed import Embedder
from retrieval.index import EVERY_KIND, KIND, DamagedIndex, Index, build, open_index

OF_OTHERS = 3600.0  # seconds after which an index folder that nobody recorded is removed
LOOK_AT_DOCUMENTS = 10.0  # seconds; files change less often than a channel

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the refresher is doing, for `/healthz` and for people."""

    passages: int = 0
    looked_at: float = 0.0  # the index holds everything that was committed before this time
    is_building: bool = False
    error: str = ""  # the last failure, with the id under which its traceback is logged


class Refresher:
    """Keeps the newest index. `start` opens the last one and begins to follow the database."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        embedder: Embedder,
        artifacts: ArtifactStore | None = None,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._embedder = embedder
        self._reranker = rerank.of(settings)
        self._artifacts = artifacts or ArtifactStore(settings.store.data)
        self._seen: tuple[object, ...] | None = None
        self._pages = _Pages(settings, embedder)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._swapped = threading.Condition()
        self.status = Status()
        self.index = last(engine, embedder, self._artifacts) or build([], embedder, self._artifacts)

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
                dead = withdrawn(db, (hit.passage for hit in hits))
            if not dead:
                return hits
            index.hide(dead)

    def look(self) -> bool:
        """Look once, and follow if anything has changed; whether it had.

        What may no longer be quoted is hidden before the new index is built.
        """
        now = time.time()
        with reading(self._engine) as db:
            seen = (indexes.stamp(db), self._pages.look())
            if seen == self._seen:
                self._tell(looked_at=now, error=self._pages.error)
                return False
            self.index.hide(withdrawn(db, self.index.passages))
            self._tell(is_building=True)
            wanted = [
                *sources.from_slack(db, self._settings, self._embedder),
                *self._pages.passages,
            ]
        if {passage.id for passage in wanted} == self.index.shown():
            self._seen = (
                seen  # what changed is nothing that is searched, such as questions to the bot
            )
            self._tell(looked_at=now, is_building=False, error=self._pages.error)
            return False
        new = build(wanted, self._embedder, self._artifacts, self.index, check=self._check)
        self._swap(new)
        self._seen = seen
        self._tell(looked_at=now, is_building=False, error=self._pages.error)
        return True

    def wait_for(self, is_ready: Callable[[Index], bool], timeout: float) -> bool:
        """Wait until the newest index is as wanted; whether it was, within `timeout` seconds."""
        with self._swapped:
            return self._swapped.wait_for(lambda: is_ready(self.index), timeout)

    def wait_past(self, at: float, timeout: float) -> bool:
        """Wait until the index holds everything that was committed before this time."""
        with self._swapped:
            return self._swapped.wait_for(lambda: self.status.looked_at >= at, timeout)

    def start(self) -> Self:
        """Follow the database in a thread of its own, until `stop`."""
        self._thread = threading.Thread(target=self._follow, name="index")
        self._thread.start()
        return self

    def stop(self) -> None:
        """End within a few seconds; a half-built index leaves nothing behind."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Cancelled:
                return
            except Exception as error:
                failure = error_id()
                log.exception("the index could not be refreshed (%s)", failure)
                self._tell(is_building=False, error=f"{_reason(error)} ({failure})")
            self._stop.wait(self._settings.retrieval.refresh_seconds)

    def _swap(self, new: Index) -> None:
        """Serve the new index, and remove the older ones: they may hold what was deleted since."""
        with reading(self._engine) as db:  # it was built from what was there a while ago
            new.hide(withdrawn(db, new.passages))
        self.index = new
        with self._engine.begin() as db:
            row = indexes.current(db)
            if row is None or row.folder != new.folder:
                row = indexes.record(db, hash=new.hash, folder=new.folder, passages=len(new))
            unused = indexes.forget_others(db, row)
        for folder in {*unused, *self._forgotten(row.folder)}:
            shutil.rmtree(self._artifacts.root / folder, ignore_errors=True)

    def _forgotten(self, current: str) -> list[str]:
        """Finished indexes that no row names: a training run built its own, or a swap was cut off."""
        before = time.time() - OF_OTHERS
        folders = (path for path in (self._artifacts.root / KIND).iterdir() if path.is_dir())
        old = (path.name for path in folders if path.stat().st_mtime < before)
        return [f"{KIND}/{name}" for name in old if f"{KIND}/{name}" != current]

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled("The refresher was stopped.", fix="Nothing was changed.")

    def _tell(self, **changes: Any) -> None:
        with self._swapped:
            self.status = replace(self.status, passages=len(self.index), **changes)
            self._swapped.notify_all()


def last(engine: Engine, embedder: Embedder, artifacts: ArtifactStore) -> Index | None:
    """The index that was searched last, if it is whole and of this embedder, without what is withdrawn."""
    with reading(engine) as db:
        built = indexes.current(db)
        if built is None:
            return None
        try:
            index = open_index(artifacts.open(built.folder), embedder)
        except (DamagedIndex, NotFound, BadInput) as error:
            log.warning("the last index is not used, a new one is built: %s", error)
            return None
        index.hide(withdrawn(db, index.passages))
        return index


def withdrawn(db: Connection, passages: Iterable[Passage]) -> set[str]:
    """Ids of passages that must not be quoted any more: deleted, withdrawn, or since made private."""
    told = [passage for passage in passages if passage.kind is not PassageKind.DOCUMENT]
    if not told:
        return set()
    threads = [passage for passage in told if passage.kind is PassageKind.THREAD]
    gone = indexes.gone(db, {name for passage in threads for name in passage.messages})
    answers = {passage.messages[0] for passage in told if passage.kind is PassageKind.PAIR}
    gone |= {f"pair:{name}" for name in indexes.unapproved(db, answers)}
    private = {channel.id for channel in messages.all_channels(db) if channel.scope != PUBLIC}
    return {
        passage.id
        for passage in told
        if not gone.isdisjoint(_sources(passage))
        or (passage.scope == PUBLIC and _channel(passage) in private)
    }


def _sources(passage: Passage) -> tuple[str, ...]:
    if passage.kind is PassageKind.PAIR:
        return (f"pair:{passage.messages[0]}",)
    return passage.messages


def _channel(passage: Passage) -> str:
    return passage.messages[0].partition("/")[0]


class _Pages:
    """The documents' passages, read again only when a file has changed."""

    def __init__(self, settings: Settings, embedder: Embedder) -> None:
        self._settings = settings
        self._embedder = embedder
        self._stamp: object = None
        self._looked = float("-inf")
        self.passages: list[Passage] = []
        self.error = ""

    def look(self) -> object:
        """Something that changes when a document does. A missing folder leaves the pages as they were."""
        if time.monotonic() - self._looked < LOOK_AT_DOCUMENTS:
            return self._stamp
        self._looked = time.monotonic()
        try:
            stamp = [documents.stamp(source) for source in self._settings.retrieval.documents]
            if stamp != self._stamp:
                self.passages = list(sources.from_documents(self._settings, self._embedder))
                self._stamp = stamp
            self.error = ""
        except LorekeeperError as error:
            if str(error) != self.error:
                log.warning("documents are not refreshed: %s", error)
            self.error = str(error)
        return self._stamp


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, LorekeeperError) else type(error).__name__
