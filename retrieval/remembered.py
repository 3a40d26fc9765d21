"""An embedder in; the same embedder that never reads a text twice out.

A vector can tell much of its text. What is kept on disk is named by a hash of the text and veiled by
another one: without the text itself, no vector can be found or read, so that a deleted message leaves
nothing behind that says anything.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.embed import Embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AT_ONCE = 128  # texts that are lost when the work is cancelled


@contextmanager
def remembering(
    embedder: Embedder, folder: Path, report: Callable[[int, int], None] = lambda done, of: None
) -> Iterator[Remembering]:
    """Keep vectors in a file of `folder` while the work goes on; what it did not use is then forgotten."""
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(embedder.name.encode()).hexdigest()[:16]
    kept = sqlite3.connect(folder / f"vectors-{name}.sqlite")
    try:
        yield (working := Remembering(embedder, kept, report))
        working.forget_others()
    finally:
        kept.close()


class Remembering:
    """Looks a text up before it is embedded. Questions are not kept."""

    def __init__(
        self, embedder: Embedder, kept: sqlite3.Connection, report: Callable[[int, int], None]
    ) -> None:
        self._embedder = embedder
        self._kept = kept
        self._report = report
        self._used = set[bytes]()
        self.name, self.dimensions = embedder.name, embedder.dimensions
        self.window = embedder.window
        kept.execute("CREATE TABLE IF NOT EXISTS vectors (name BLOB PRIMARY KEY, veiled BLOB)")

    def count_tokens(self, text: str) -> int:
        return self._embedder.count_tokens(text)

    def opening(self, text: str) -> str:
        return self._embedder.opening(text)

    def question(self, text: str) -> NDArray[np.float32]:
        return self._embedder.question(text)

    def passages(self, texts: list[str]) -> NDArray[np.float32]:
        """Vectors of shape [texts, dimensions]; what had to be made is kept batch by batch."""
        import numpy as np

        found = [self._lookup(text) for text in texts]
        missing = [place for place, vector in enumerate(found) if vector is None]
        for start in range(0, len(missing), AT_ONCE):
            places = missing[start : start + AT_ONCE]
            made = self._embedder.passages([texts[place] for place in places])
            for place, vector in zip(places, made, strict=True):
                found[place] = vector
            self._keep([texts[place] for place in places], made)
            self._report(start + len(places), len(missing))
        kept = [vector for vector in found if vector is not None]
        return np.stack(kept) if kept else np.zeros((0, self.dimensions), dtype=np.float32)

    def forget_others(self) -> None:
        """Forget what nobody asked for since this was made."""
        names = self._kept.execute("SELECT name FROM vectors").fetchall()
        old = [name for name in names if name[0] not in self._used]
        with self._kept:
            self._kept.executemany("DELETE FROM vectors WHERE name = ?", old)

    def _lookup(self, text: str) -> NDArray[np.float32] | None:
        import numpy as np

        self._used.add(_name(text))
        query = "SELECT veiled FROM vectors WHERE name = ?"
        row = self._kept.execute(query, (_name(text),)).fetchone()
        if row is None or len(row[0]) != 4 * self.dimensions:
            return None
        return np.frombuffer(_veiled(row[0], text), dtype="<f4").astype(np.float32)

    def _keep(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        rows = [
            (_name(text), _veiled(vector.astype("<f4").tobytes(), text))
            for text, vector in zip(texts, vectors, strict=True)
        ]
        with self._kept:
            self._kept.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)


def _name(text: str) -> bytes:
    return hashlib.sha256(b"name\0" + text.encode("utf-8", "surrogatepass")).digest()


def _veiled(data: bytes, text: str) -> bytes:
    """Combined with as many bytes that only the text gives; done twice, it is the data again."""
    mask = hashlib.shake_256(b"veil\0" + text.encode("utf-8", "surrogatepass")).digest(len(data))
    combined = int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")
    return combined.to_bytes(len(data), "big")
