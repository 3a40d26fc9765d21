"""Vectors in, the nearest of those that may be seen out: the FAISS half of an index.

Up to FLAT_UP_TO vectors are all compared. More are also kept as codes of one bit a number (RaBitQ;
Gao and Long, SIGMOD 2024), sorted into lists around centroids (IVF): a search reads the codes of the
nearest lists, and compares the vectors of the CANDIDATES best. How many codes must be read for the
wanted recall is measured on the vectors themselves when they are written. Under a filter as many
codes are read of what may be seen, from as many lists as that takes. HNSW is not chosen: its graph takes many times as long to build, cannot be merged, and
under a narrow filter it walks among nodes that may not be seen.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE, LISTS, PLAN, EXACT = "vectors.faiss", "lists.faiss", "vectors.json", "exact.npy"

Storage = Literal["full", "quantised"]

FLAT_UP_TO = 10_000  # comparing 10,000 × 384 numbers takes 1 ms, and nothing is missed
COMPARE_UP_TO = 5_000  # so few that pass a filter are compared one by one in about the same time
CANDIDATES = 500  # of the codes; ten would do if a bit a number were not so coarse
LISTS_PER_ROOT = 4  # lists = 4 √n, as FAISS's guide advises
LEARNED_FROM = 40  # vectors a list that the centroids are learned from; FAISS warns below 39
ROUNDS = 8  # of k-means; more do not change the recall that is measured below
WANTED = 0.995  # recall@10 of the lists against exact search
ASKED = (
    200  # questions that it is measured on: the index's own vectors, moved away from themselves …
)
ALIKE = 0.65  # … to this cosine, the median between a real question and the passage nearest to it
NEAREST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which FAISS index holds the vectors, why, and how it is searched."""

    kind: Literal["flat", "lists"]
    storage: Storage
    why: str
    lists: int = 0
    read: int = 0  # codes of what may be seen that are read for each question


def write(vectors: NDArray[np.float32], folder: Path, storage: Storage = "full") -> None:
    """Write an index of vectors of length one, shape [n, d], as the rule says."""
    import numpy as np

    faiss = _faiss()
    count, width = vectors.shape
    if count <= FLAT_UP_TO:
        why = f"{count:,} vectors are at most {FLAT_UP_TO:,}: all are compared"
        plan = Plan(kind="flat", storage="full", why=why)
    else:
        lists = _lists(vectors)
        plan = _plan(lists, vectors, storage)
        faiss.write_index(lists, str(folder / LISTS))
    if plan.storage == "quantised":  # merging segments needs the vectors as they were
        np.save(folder / EXACT, vectors, allow_pickle=False)
        one_byte = faiss.ScalarQuantizer.QT_8bit
        index: Any = faiss.IndexScalarQuantizer(width, one_byte, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
    else:
        index = faiss.IndexFlatIP(width)
    index.add(vectors)
    faiss.write_index(index, str(folder / FILE))
    (folder / PLAN).write_text(json.dumps(asdict(plan)), encoding="utf-8")


class Mask:
    """Which rows of one index may be seen, in the shapes in which a search needs it."""

    def __init__(
        self, visible: NDArray[np.bool_], held: NDArray[np.int64] | None, count: int
    ) -> None:
        import numpy as np

        self.visible = visible
        self.held = held  # how many each list holds of them; None where there are no lists
        self.count = count
        self._packed = np.packbits(visible, bitorder="little")  # the selector points to it
        self.selector: Any = _faiss().IDSelectorBitmap(self._packed)

    def without(self, rows: NDArray[np.int64]) -> Mask:
        """The same without some rows."""
        visible = self.visible.copy()
        visible[rows] = False
        return Mask(visible, self.held, self.count - int(self.visible[rows].sum()))


class Vectors:
    """A written index, opened by memory map: nothing is read but what a search touches."""

    def __init__(self, folder: Path) -> None:
        """Raises RuntimeError, OSError, ValueError or KeyError when a file cannot be read."""
        faiss = _faiss()
        self._folder = folder
        self.plan = Plan(**json.loads((folder / PLAN).read_text(encoding="utf-8")))
        self._index: Any = faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP_IFC)
        self._list_of: NDArray[Any] | None = None
        if self.plan.kind == "lists":
            self._lists: Any = faiss.read_index(str(folder / LISTS), faiss.IO_FLAG_MMAP_IFC)
            self._centroids = self._lists.quantizer.reconstruct_n(0, self._lists.nlist)
            self._list_of = _list_of(self._lists)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def bytes(self) -> int:
        """What searches read of it: the vectors, and the codes with their rows."""
        codes = len(self) * (self._lists.code_size + 8) if self.plan.kind == "lists" else 0
        return int(len(self) * self._index.code_size + codes)

    def mask(self, visible: NDArray[np.bool_]) -> Mask:
        """What a search takes to look at the visible rows only, shape [rows]. Made once for many searches."""
        import numpy as np

        held = None
        if self._list_of is not None:
            held = np.bincount(self._list_of[visible], minlength=self.plan.lists)
        return Mask(visible, held, int(np.count_nonzero(visible)))

    def rows(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of these rows as they are compared, shape [rows, d]."""
        import numpy as np

        if not len(rows):
            return np.zeros((0, self._index.d), dtype=np.float32)
        return np.asarray(self._index.reconstruct_batch(rows), dtype=np.float32)

    def exact(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of these rows as they were written, shape [rows, d]."""
        import numpy as np

        if self.plan.storage == "full":
            return self.rows(rows)
        return np.asarray(np.load(self._folder / EXACT, mmap_mode="r", allow_pickle=False)[rows])

    def nearest(self, question: NDArray[np.float32], mask: Mask, k: int) -> NDArray[np.int64]:
        """Rows of the k most similar vectors among the visible ones, best first.

        Exactly min(k, visible) rows: what may not be seen is left out before the ranking.
        """
        import numpy as np

        k = min(k, mask.count)
        if k == 0:
            return np.zeros(0, dtype=np.int64)
        if mask.held is None:
            wanted = _faiss().SearchParameters(sel=mask.selector)
            return _found(self._index.search(question[None], k, params=wanted)[1][0])
        if mask.count > max(k, COMPARE_UP_TO):
            candidates = self._candidates(question, mask, max(CANDIDATES, 6 * k))
            if len(candidates) >= k:
                return self._among(question, candidates, k)
        return self._among(question, np.flatnonzero(mask.visible), k)

    def _candidates(
        self, question: NDArray[np.float32], mask: Mask, count: int
    ) -> NDArray[np.int64]:
        """The best by their codes, from the nearest lists that hold enough of what may be seen."""
        import numpy as np

        faiss = _faiss()
        assert mask.held is not None
        likeness = np.where(mask.held > 0, self._centroids @ question, -np.inf)
        near = np.argsort(-likeness)
        reading = int(np.searchsorted(np.cumsum(mask.held[near]), self.plan.read)) + 1
        near = near[: min(reading, int(np.count_nonzero(mask.held)))]
        wanted = faiss.IVFRaBitQSearchParameters()
        wanted.nprobe, wanted.sel = len(near), mask.selector
        scores, rows = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.int64)
        arrays = (question, count, near, likeness[near], scores, rows)
        pointers = [faiss.swig_ptr(a) if isinstance(a, np.ndarray) else a for a in arrays]
        self._lists.search_preassigned_c(1, *pointers, False, wanted)
        return _found(rows)

    def _among(
        self, question: NDArray[np.float32], rows: NDArray[np.int64], k: int
    ) -> NDArray[np.int64]:
        import numpy as np

        best = np.argsort(-(self.rows(rows) @ question), kind="stable")[:k]
        return np.asarray(rows[best], dtype=np.int64)


def like_questions(vectors: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Vectors as far from those of the index as questions are, shape [count, d].

    Each is one of its vectors, moved to a cosine of ALIKE in the direction in which two others
    differ. Measured on questions and passages of two collections, their neighbours lie in the lists
    as those of real questions do; the vectors themselves would promise too much.
    """
    import numpy as np

    chance = np.random.default_rng(0)  # the same each time: the same vectors make the same file
    own, one, other = (vectors[chance.integers(len(vectors), size=count)] for _ in "abc")
    away = one - other
    away -= (away * own).sum(axis=1, keepdims=True) * own
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
    return np.asarray(ALIKE * own + math.sqrt(1 - ALIKE**2) * away, dtype=np.float32)


def _some(count: int, wanted: int) -> NDArray[np.int64]:
    """Rows spread by chance, the same ones each time."""
    import numpy as np

    return np.sort(np.random.default_rng(0).choice(count, size=wanted, replace=False))


def _lists(vectors: NDArray[np.float32]) -> Any:
    """One-bit codes in lists around centroids that are learned from a sample."""
    faiss = _faiss()
    count, width = vectors.shape
    lists = 2 ** round(math.log2(LISTS_PER_ROOT * math.sqrt(count)))
    index = faiss.IndexIVFRaBitQ(faiss.IndexFlatIP(width), width, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.spherical = ROUNDS, True
    index.cp.max_points_per_centroid = LEARNED_FROM
    index.train(vectors[_some(count, min(count, LEARNED_FROM * lists))])
    index.add(vectors)
    return index


def _plan(lists: Any, vectors: NDArray[np.float32], storage: Storage) -> Plan:
    """How many codes must be read for the wanted recall.

    The true neighbours of what resembles questions are found by comparing all. For each of them it
    is counted how many codes stand in the lists that come before its own, and in its own.
    """
    import numpy as np

    list_of, centroids = _list_of(lists), lists.quantizer.reconstruct_n(0, lists.nlist)
    sizes = np.bincount(list_of, minlength=lists.nlist)
    needed: list[NDArray[np.int64]] = []
    for question in like_questions(vectors, ASKED):
        near = np.argpartition(-(vectors @ question), NEAREST)[:NEAREST]
        order = np.argsort(-(centroids @ question))
        codes = np.empty(lists.nlist, dtype=np.int64)
        codes[order] = np.cumsum(sizes[order])
        needed.append(codes[list_of[near]])
    counts = np.sort(np.concatenate(needed))
    read = int(counts[math.ceil(WANTED * len(counts)) - 1])
    why = (
        f"{len(vectors):,} vectors are more than {FLAT_UP_TO:,}: {read:,} codes are read, of the "
        f"nearest of {lists.nlist:,} lists, and the best {CANDIDATES} compared"
    )
    return Plan(kind="lists", storage=storage, why=why, lists=lists.nlist, read=read)


def _list_of(lists: Any) -> NDArray[Any]:
    """In which list each row is."""
    import numpy as np

    found = np.empty(lists.ntotal, dtype=np.min_scalar_type(lists.nlist))
    for number in range(lists.nlist):
        size = lists.invlists.list_size(number)
        if size:
            found[_faiss().rev_swig_ptr(lists.invlists.get_ids(number), size)] = number
    return found


def _found(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """FAISS fills up with -1 where it found less than was asked for."""
    return rows[rows >= 0]


def _faiss() -> Any:
    """Its type stubs describe C++ signatures, not the Python ones that wrap them."""
    import faiss

    return faiss
