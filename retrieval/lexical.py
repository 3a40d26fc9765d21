"""Texts in, the best by shared words of those that may be seen out: the BM25 half of an index.

Counts are stored, not scores, so that rarity and mean length can be those of all segments
together: a text scores the same in whichever segment it lies, as BM25 over one index would.
"""

from __future__ import annotations

import math
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.lookup import Lookup, mapped
from retrieval.lookup import write as write_lookup

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORDS, LENGTHS = "words", "lengths.npy"
K1, B = 1.2, 0.75  # Robertson and Zaragoza's usual values
LOOKUP = 16  # finding one row in a word's list costs as much as adding to so many
LEADERS = 10_000  # texts among which the least score of the k best is looked for
REMEMBERED = 2**17  # words; the same ones come again and again

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+(?:[_.\-]\w+)*")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+|\d+")
_STEMMING = threading.Lock()  # a Snowball stemmer keeps state while it works


def write(texts: Iterable[str], folder: Path) -> None:
    """Write how often each word stands in each text, and how long the texts are."""
    import numpy as np

    lengths = list[int]()

    def counted() -> Iterable[Mapping[str, int]]:
        for text in texts:
            held = Counter(tokens(text))
            lengths.append(held.total())
            yield held

    write_lookup(counted(), folder, WORDS)
    np.save(folder / LENGTHS, np.array(lengths, dtype=np.int32), allow_pickle=False)


class Words:
    """The written words of one segment, opened without reading them into memory."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError or ValueError when a file cannot be read."""
        import numpy as np

        self._lookup = Lookup(folder, WORDS)
        self.lengths: NDArray[np.int32] = mapped(folder / LENGTHS)
        self.total = int(self.lengths.sum(dtype=np.int64))

    def __len__(self) -> int:
        return len(self.lengths)

    def holding(self, word: str) -> int:
        """How many texts hold the word."""
        return len(self._lookup.rows(word))

    def term(self, word: str, weight: float, slowness: NDArray[np.float32]) -> Term:
        rows = self._lookup.rows(word)
        return Term(rows, self._lookup.counts(word), weight, slowness)


class Term:
    """One word of a question in one segment: the texts that hold it, and what it adds to each."""

    def __init__(
        self,
        rows: NDArray[Any],
        counts: NDArray[Any],
        weight: float,
        slowness: NDArray[np.float32],
    ) -> None:
        self.rows, self._counts, self.weight, self._slowness = rows, counts, weight, slowness

    def scores(self, at: NDArray[Any] | slice, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """What the word adds to the texts at these places of its list, which are these rows."""
        import numpy as np

        counts = self._counts[at].astype(np.float32)
        gained: NDArray[np.float32] = counts / (counts + self._slowness.take(rows))
        return gained * np.float32(self.weight)

    def scores_of(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """What the word adds to each of these texts; 0 where it does not stand."""
        import numpy as np

        found = np.zeros(len(rows), dtype=np.float32)
        if len(self.rows):
            at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
            held = self.rows[at] == rows
            found[held] = self.scores(at[held], self.rows[at[held]].astype(np.intp))
        return found


@dataclass(frozen=True, slots=True)
class Statistics:
    """How many texts there are in all segments, and how rare each word of a question is in them."""

    segments: tuple[Words, ...]

    @property
    def rows(self) -> int:
        return sum(map(len, self.segments))

    @property
    def mean_length(self) -> float:
        return sum(words.total for words in self.segments) / max(self.rows, 1)

    def rarity(self, word: str) -> float:
        """BM25's inverse document frequency (Lucene's form, never negative)."""
        holding = sum(words.holding(word) for words in self.segments)
        return math.log(1 + (self.rows - holding + 0.5) / (holding + 0.5))

    def weights(self, question: str) -> dict[str, float]:
        """What each word of the question weighs; one that is asked twice weighs twice."""
        return {
            word: times * self.rarity(word) for word, times in Counter(tokens(question)).items()
        }

    def rarities(self, question: str) -> dict[str, float]:
        """How much each word of the question tells, in the order of `weights`."""
        return {word: self.rarity(word) for word in dict.fromkeys(tokens(question))}

    def coverage(self, question: str, texts: Sequence[str]) -> list[float]:
        """Share of what the question's words tell that each text holds too, 0 to 1.

        A word tells as much as it is rare; one that stands nowhere tells most.
        """
        weights = self.rarities(question)
        whole = sum(weights.values())
        if not whole:
            return [0.0] * len(texts)
        held = (set(tokens(text)) for text in texts)
        return [sum(weights[word] for word in weights.keys() & found) / whole for found in held]

    def slowness(self, words: Words) -> NDArray[np.float32]:
        """How slowly a word's repetition counts in each text: the longer it is, the slower."""
        import numpy as np

        length = words.lengths / np.float32(self.mean_length or 1)
        return np.asarray(K1 * (1 - B + B * length), dtype=np.float32)


def best(
    terms: Sequence[Term], visible: NDArray[np.bool_], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The at most k visible rows that share most with the question, best first, and their scores.

    Exact, and mostly without reading the common words' texts (MaxScore; Turtle and Flood, 1995):
    once k texts score more than all words that are left could add, no text that holds only those
    can come among the best.
    """
    import numpy as np

    left = sorted(terms, key=lambda term: -term.weight)
    scores = np.zeros(len(visible), dtype=np.float32)
    touched = np.zeros(0, dtype=np.intp)
    sees_all = bool(visible.all())
    least = 0.0  # of the k best is at least this
    while left:
        possible = sum(term.weight for term in left)
        term = left.pop(0)
        if least > possible:
            touched = touched[scores.take(touched) + possible >= least]
        if least > possible and LOOKUP * len(touched) < len(term.rows):
            scores[touched] += term.scores_of(touched)
        else:
            at = slice(None) if sees_all else np.flatnonzero(visible[term.rows])
            rows = term.rows[at].astype(np.intp)  # numpy would convert it at every use
            before = scores.take(rows)
            if least <= possible:
                touched = np.concatenate([touched, rows[before == 0]])
            scores[rows] = before + term.scores(at, rows)
        if len(touched) >= k:
            # The k-th of some is never above the k-th of all; the first hold the rarest words.
            some = scores[touched[: max(LEADERS, k)]]
            least = max(least, float(np.partition(some, -k)[-k]))
    return _first(touched[scores.take(touched) >= least], scores, k)


def _first(
    rows: NDArray[np.int64], scores: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k rows with the highest scores, best first; of equals the one that stands first."""
    import numpy as np

    if len(rows) > k:
        found = scores[rows]
        rows = rows[found >= np.partition(found, -k)[-k]]
    rows = rows[np.lexsort((rows, -scores[rows]))[:k]]
    return rows, scores[rows]


def names(text: str) -> frozenset[str]:
    """Words that can only be names: `KubePodCrashLooping`, `max_loras`, `ORA-01555`; in lower case."""
    return frozenset(filter(None, map(_name, _WORD.findall(text))))


@lru_cache(maxsize=REMEMBERED)
def _name(word: str) -> str:
    return word.lower() if len(_PARTS.findall(word)) > 1 else ""


def tokens(text: str) -> list[str]:
    """Stems of the words. Of `KubePodCrashLooping` and `kube_pod.name`, the whole and its parts."""
    return [stem for word in _WORD.findall(text) for stem in _stems(word)]


@lru_cache(maxsize=REMEMBERED)
def _stems(word: str) -> tuple[str, ...]:
    parts = _PARTS.findall(word)
    whole = [word, *parts] if len(parts) > 1 else [word]
    known = [part for part in map(str.lower, whole) if part not in _stopwords()]
    with _STEMMING:
        return tuple(_stemmer().stemWords(known))


@cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


@cache
def _stopwords() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN

    return frozenset(STOPWORDS_EN)
