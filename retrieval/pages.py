"""The configured documents in; their passages out, read again only where a file has changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from lorekeeper.domain import Passage, PassageKind
from lorekeeper.errors import LorekeeperError
from lorekeeper.settings import Settings
from retrieval import documents, sources
from retrieval.changes import Difference
from retrieval.embed import Embedder
from retrieval.index import Index

LOOK_AT_DOCUMENTS = 10.0  # seconds; files change less often than a channel

log = logging.getLogger(__name__)


class Pages:
    """The documents' passages by source; one that cannot be read leaves its passages as they were."""

    def __init__(self, settings: Settings, embedder: Embedder) -> None:
        self._settings = settings
        self._embedder = embedder
        self._stamps = dict[str, object]()
        self._read = dict[str, list[Passage]]()
        self._looked = float("-inf")
        self.version = 0  # goes up when a source was read again
        self.error = ""

    def look(self) -> None:
        """Read the sources that have changed, at most every LOOK_AT_DOCUMENTS seconds."""
        if time.monotonic() - self._looked < LOOK_AT_DOCUMENTS:
            return
        self._looked = time.monotonic()
        errors = [
            error for error in map(self._look_at, self._settings.retrieval.documents) if error
        ]
        if errors and errors != [self.error]:
            log.warning("documents are not refreshed: %s", errors[0])
        self.error = errors[0] if errors else ""

    def passages(self) -> Iterator[Passage]:
        for source in self._settings.retrieval.documents:
            yield from self._read.get(source, ())

    def difference(self, index: Index) -> Difference:
        """What the index must add and leave out to hold the documents as they are."""
        wanted = {passage.id: passage for passage in self.passages()}
        held = {passage.id for passage in index.of_kind(PassageKind.DOCUMENT)}
        if self.error:  # what was read at an earlier start may be of a source that is away now
            held &= wanted.keys()
        return Difference(
            added=tuple(passage for passage in wanted.values() if passage.id not in held),
            removed=frozenset(held - wanted.keys()),
        )

    def _look_at(self, source: str) -> str:
        try:
            stamp = documents.stamp(source, self._settings.store.data)
            if source not in self._stamps or stamp != self._stamps[source]:
                settings = self._settings.retrieval.model_copy(update={"documents": (source,)})
                only = self._settings.model_copy(update={"retrieval": settings})
                self._read[source] = list(sources.from_documents(only, self._embedder))
                self._stamps[source] = stamp
                self.version += 1
        except LorekeeperError as error:
            return str(error)
        return ""
