"""Vectors in, the nearest of those that may be seen out: the FAISS half of an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "vectors.faiss"

# Up to here every vector is compared: 50,000 × 384 numbers take about 10 ms, and nothing is missed.
GRAPH_FROM = 50_000
# HNSW's usual values; more links or a wider search cost time and win little below a few millions.
LINKS, SEARCH_WIDTH = 32, 128
# A graph walk among few visible nodes finds too little; comparing all of them is exact, and as fast.
EXACT_BELOW = 20_000


def write(vectors: NDArray[np.float32], folder: Path) -> None:
    """Write an index of vectors of length one, shape [n, d]: flat, or a graph from GRAPH_FROM on."""
    faiss = _faiss()
    if len(vectors) < GRAPH_FROM:
        index = faiss.IndexFlatIP(vectors.shape[1])
    else:
        index = faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    faiss.write_index(index, str(folder / FILE))


class Vectors:
    """A written index, opened without reading it into memory."""

    def __init__(self, folder: Path) -> None:
        """Raises RuntimeError when FAISS cannot read the file."""
        faiss = _faiss()
        self._index: Any = faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP)
        self._is_graph = isinstance(self._index, faiss.IndexHNSW)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def rows(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of these rows, shape [rows, d]."""
        import numpy as np

        if not len(rows):
            return np.zeros((0, self._index.d), dtype=np.float32)
        return np.asarray(self._index.reconstruct_batch(rows), dtype=np.float32)

    def nearest(
        self, question: NDArray[np.float32], *, visible: NDArray[np.bool_], k: int
    ) -> NDArray[np.int64]:
        """Rows of the k most similar vectors among the visible ones, best first.

        Exactly min(k, visible) rows: what may not be seen is left out before the ranking.
        """
        import numpy as np

        seen = np.flatnonzero(visible)
        k = min(k, len(seen))
        if k == 0:
            return np.zeros(0, dtype=np.int64)
        if self._is_graph and len(seen) >= EXACT_BELOW:
            found = self._walk(question, visible, k)
            if len(found) == k:
                return found
        return self._compare(question, visible, seen, k)

    def _walk(
        self, question: NDArray[np.float32], visible: NDArray[np.bool_], k: int
    ) -> NDArray[np.int64]:
        selector = _selector(visible)
        wanted = _faiss().SearchParametersHNSW(sel=selector, efSearch=max(SEARCH_WIDTH, 2 * k))
        return _found(self._index.search(question[None], k, params=wanted)[1][0])

    def _compare(
        self,
        question: NDArray[np.float32],
        visible: NDArray[np.bool_],
        seen: NDArray[np.int64],
        k: int,
    ) -> NDArray[np.int64]:
        import numpy as np

        if self._is_graph:
            best = np.argsort(-(self.rows(seen) @ question), kind="stable")[:k]
            return np.asarray(seen[best], dtype=np.int64)
        wanted = _faiss().SearchParameters(sel=_selector(visible))
        return _found(self._index.search(question[None], k, params=wanted)[1][0])


def _selector(visible: NDArray[np.bool_]) -> Any:
    import numpy as np

    return _faiss().IDSelectorBitmap(np.packbits(visible, bitorder="little"))


def _found(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """FAISS fills up with -1 where it found less than was asked for."""
    return rows[rows >= 0]


def _faiss() -> Any:
    """Its type stubs describe C++ signatures, not the Python ones that wrap them."""
    import faiss

    return faiss
