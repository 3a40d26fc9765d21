"""Texts in, the best by shared words of those that may be seen out: the BM25 half of an index."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = "bm25"
K1, B = 1.2, 0.75  # Robertson and Zaragoza's usual values

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+(?:[_.\-]\w+)*")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+|\d+")
_STEMMING = threading.Lock()  # a Snowball stemmer keeps state while it works


def write(texts: Sequence[str], folder: Path) -> None:
    """Write the index of these texts: arrays and JSON, nothing pickled. No words, no index."""
    import bm25s

    words = [tokens(text) for text in texts]
    if not any(words):
        return
    index = bm25s.BM25(k1=K1, b=B, method="lucene")
    index.index(words, show_progress=False)
    index.save(folder / FOLDER, allow_pickle=False, show_progress=False)


class Lexical:
    """A written index, opened without reading it into memory."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError, ValueError or KeyError when a file cannot be read."""
        import bm25s

        self._index: Any = None
        if (folder / FOLDER).is_dir():
            self._index = bm25s.BM25.load(
                folder / FOLDER, mmap=True, allow_pickle=False, show_progress=False
            )

    def scores(self, question: str, *, visible: NDArray[np.bool_]) -> NDArray[np.float32]:
        """BM25 of every row, shape [rows]: 0 where no word is shared, or the row may not be seen."""
        import numpy as np

        known = [
            word for word in tokens(question) if self._index and word in self._index.vocab_dict
        ]
        if not known:
            return np.zeros(len(visible), dtype=np.float32)
        return np.where(visible, self._index.get_scores(known), 0).astype(np.float32)

    def coverage(self, question: str, texts: Sequence[str]) -> list[float]:
        """Share of what the question's words tell that each text holds too, 0 to 1.

        A word tells as much as it is rare (its inverse document frequency); one that stands nowhere
        tells most.
        """
        weights = {word: self._rarity(word) for word in tokens(question)}
        whole = sum(weights.values())
        if not whole:
            return [0.0] * len(texts)
        held = (set(tokens(text)) for text in texts)
        return [sum(weights[word] for word in weights.keys() & found) / whole for found in held]

    def covered(self, question: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """`coverage` of the indexed texts of these rows, shape [rows], without reading them."""
        import numpy as np

        weights = {word: self._rarity(word) for word in tokens(question)}
        found = np.zeros(len(rows), dtype=np.float32)
        for word, weight in weights.items():
            found[np.isin(rows, self._holding(word))] += weight
        return found / np.float32(sum(weights.values()) or 1.0)

    def _holding(self, word: str) -> NDArray[np.int64]:
        """Rows whose text holds the word."""
        import numpy as np

        at = self._index.vocab_dict.get(word) if self._index else None
        if at is None:
            return np.zeros(0, dtype=np.int64)
        start, end = self._index.scores["indptr"][at : at + 2]
        return np.asarray(self._index.scores["indices"][start:end], dtype=np.int64)

    def _rarity(self, word: str) -> float:
        """BM25's inverse document frequency (Lucene's form, never negative)."""
        if self._index is None:
            return 1.0
        rows, at = self._index.scores["num_docs"], self._index.vocab_dict.get(word)
        ends = self._index.scores["indptr"]
        holding = 0 if at is None else int(ends[at + 1] - ends[at])
        return math.log(1 + (rows - holding + 0.5) / (holding + 0.5))


def names(text: str) -> frozenset[str]:
    """Words that can only be names: `KubePodCrashLooping`, `max_loras`, `ORA-01555`; in lower case."""
    found = _WORD.findall(text)
    return frozenset(word.lower() for word in found if len(_PARTS.findall(word)) > 1)


def best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """At most k rows that share a word with the question, best first."""
    import numpy as np

    sharing = np.flatnonzero(scores > 0)
    order = np.argsort(-scores[sharing], kind="stable")[:k]
    return np.asarray(sharing[order], dtype=np.int64)


def tokens(text: str) -> list[str]:
    """Stems of the words. Of `KubePodCrashLooping` and `kube_pod.name`, the whole and its parts."""
    words = list[str]()
    for word in _WORD.findall(text):
        words.append(word.lower())
        parts = _PARTS.findall(word)
        words += [part.lower() for part in parts] if len(parts) > 1 else []
    return _stemmed([word for word in words if word not in _stopwords()])


def _stemmed(words: list[str]) -> list[str]:
    with _STEMMING:
        return list(_stemmer().stemWords(words))


@cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


@cache
def _stopwords() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN

    return frozenset(STOPWORDS_EN)
