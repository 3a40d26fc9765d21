"""Strings of each row in; a mapped file in which every string finds its rows, out.

Words find the texts that hold them, message names the passages that quote them, ids their row.
Nothing is read into memory: a million rows cost what a search touches.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

REMEMBERED = 4096  # strings of one lookup


def write(rows: Iterable[Mapping[str, int]], folder: Path, name: str) -> None:
    """Write which string stands in which rows, and how often: `rows` gives each row's counts."""
    import numpy as np

    numbers = dict[str, int]()
    of_key, of_row, counts = array("i"), array("i"), array("i")  # a list takes ten times as much
    for row, held in enumerate(rows):
        of_key.extend(numbers.setdefault(key, len(numbers)) for key in held)
        of_row.extend([row] * len(held))
        counts.extend(held.values())
    keys = {key: _encoded(key) for key in numbers}
    ordered = sorted(numbers, key=keys.__getitem__)
    place = np.empty(len(ordered), dtype=np.int64)
    place[[numbers[key] for key in ordered]] = np.arange(len(ordered))
    placed = place[np.array(of_key, dtype=np.int32)]
    order = np.argsort(placed, kind="stable")  # by string, and by row within one string
    many = np.array(counts, dtype=np.int32)[order]
    ends = np.cumsum([0, *(len(keys[key]) for key in ordered)], dtype=np.int64)
    text = np.frombuffer(b"".join(keys[key] for key in ordered), dtype=np.uint8)
    arrays: dict[str, NDArray[Any]] = {
        "keys": text,
        "ends": ends,
        "starts": np.searchsorted(placed[order], np.arange(len(ordered) + 1)),
        "rows": np.array(of_row, dtype=np.int32)[order],
        "counts": many.astype(np.min_scalar_type(int(many.max(initial=0)))),
    }
    for part, values in arrays.items():
        np.save(folder / f"{name}.{part}.npy", values, allow_pickle=False)


class Lookup:
    """A written file, opened by memory map."""

    def __init__(self, folder: Path, name: str) -> None:
        """Raises OSError or ValueError when a file cannot be read."""
        self._keys = _Keys(mapped(folder / f"{name}.keys.npy"), mapped(folder / f"{name}.ends.npy"))
        self._starts = mapped(folder / f"{name}.starts.npy")
        self._rows = mapped(folder / f"{name}.rows.npy")
        self._counts = mapped(folder / f"{name}.counts.npy")
        self._span = lru_cache(maxsize=REMEMBERED)(self._found)  # one search asks several times

    def __contains__(self, key: str) -> bool:
        return self._span(key) is not None

    def rows(self, key: str) -> NDArray[Any]:
        """The rows that hold the string, in ascending order."""
        return self._rows[self._span(key) or slice(0, 0)]

    def counts(self, key: str) -> NDArray[Any]:
        """How often each of `rows(key)` holds it."""
        return self._counts[self._span(key) or slice(0, 0)]

    def _found(self, key: str) -> slice | None:
        wanted = _encoded(key)
        at = bisect_left(self._keys, wanted)
        if at == len(self._keys) or self._keys[at] != wanted:
            return None
        return slice(int(self._starts[at]), int(self._starts[at + 1]))


def mapped(path: Path) -> NDArray[Any]:
    """An array file, opened without reading it. Raises OSError or ValueError."""
    import numpy as np

    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


class _Keys(Sequence[bytes]):
    def __init__(self, text: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self._text, self._ends = text, ends

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, at: Any) -> Any:
        return self._text[self._ends[at] : self._ends[at + 1]].tobytes()


def _encoded(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")
