"""The configured documents in; their passages out, read again only where a file has changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from lorekeeper.domain import Passage, PassageKind
from lorekeeper.errors import Cancelled, LorekeeperError
from lorekeeper.settings import Settings
from retrieval import documents, sources
from retrieval.changes import Difference
from retrieval.embed import Embedder
from retrieval.index import Index

LOOK_AT_DOCUMENTS = 10.0  # seconds; files change less often than a channel

log = logging.getLogger(__name__)


class Pages:
    """The documents' passages by source; one that cannot be read leaves its passages as they were.

    Reading may take minutes (a PDF takes seconds), so `look` may run in a thread of its own, one at a
    time; `check` is called now and then, and what it raises ends the reading.
    """

    def __init__(
        self, settings: Settings, embedder: Embedder, check: Callable[[], None] = lambda: None
    ) -> None:
        self._settings = settings
        self._embedder = embedder
        self._check = check
        self._stamps = dict[str, object]()
        self._read = dict[str, list[Passage]]()
        self._looked = float("-inf")
        self._has_read = False
        self.version = 0  # goes up when sources were read again
        self.is_whole = False  # every source was read
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
        self.is_whole = not errors
        self.version += self._has_read
        self._has_read = False

    def passages(self) -> Iterator[Passage]:
        for source in self._settings.retrieval.documents:
            yield from self._read.get(source, ())

    def difference(self, index: Index) -> Difference:
        """What the index must add and leave out to hold the documents as they are."""
        wanted = {passage.id: passage for passage in self.passages()}
        held = {passage.id for passage in index.of_kind(PassageKind.DOCUMENT)}
        if (
            not self.is_whole
        ):  # what was read at an earlier start may be of a source that is away now
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
                read = sources.from_documents(only, self._embedder, self._check)
                self._read[source] = list(read)
                self._stamps[source] = stamp
                self._has_read = True
        except Cancelled:
            raise
        except LorekeeperError as error:
            return str(error)
        return ""
