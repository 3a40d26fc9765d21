"""Text in, vectors of length one out: a question beside the passages that answer it."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lorekeeper.errors import BadInput
from lorekeeper.settings import Precision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Padded tokens that are read at once. A question waits for one batch; with nobody asking, large
# batches are faster: each layer's threads meet less often.
BESIDE_QUESTIONS, ALONE = 2_048, 16_384
REMEMBERED = 65_536  # token counts; a rebuilt index counts the same texts again


class Embedder(Protocol):
    """A model that places texts of like meaning close together."""

    name: str
    dimensions: int
    window: int
    """The longest text that it reads whole, in its own tokens."""

    def count_tokens(self, text: str) -> int:
        """Tokens of the text as the model reads it, its special tokens included."""
        ...

    def opening(self, text: str) -> str:
        """As much of the text, from its beginning, as the model reads at once."""
        ...

    def passages(self, texts: list[str]) -> NDArray[np.float32]:
        """Vectors of shape [texts, dimensions], each of length one."""
        ...

    def question(self, text: str) -> NDArray[np.float32]:
        """One vector of shape [dimensions], of length one."""
        ...


def load(name: str, data: Path, *, alone: bool = False) -> Embedder:
    """The embedder of this name: a model folder, a hub id or `package:NAME`, with `@bfloat16` or without.

    `alone`: nothing else needs the machine, so that passages may take all of its threads, in
    large batches.

    Raises:
        MissingPart: the model, or the package that runs it, is not here.
        BadInput: the folder holds no sentence-transformers model.
    """
    from lorekeeper import models

    spec, precision = _parted(name)
    return SentenceEmbedder(name, models.get(spec, data), precision=precision, alone=alone)


def _parted(name: str) -> tuple[str, Precision]:
    """The model and the precision of its numbers, from `Models.embedder_name`."""
    if name.endswith("@bfloat16"):
        return name.removesuffix("@bfloat16"), "bfloat16"
    return name, "float32"


class SentenceEmbedder:
    """A sentence-transformers model on the CPU; the GPU, where there is one, is the engine's."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        precision: Precision = "float32",
        alone: bool = False,
    ) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        try:
            self._model: Any = SentenceTransformer(
                str(folder), device="cpu", local_files_only=True, trust_remote_code=False
            ).to(getattr(torch, precision))
        except (OSError, ValueError) as error:
            raise BadInput(
                f"{folder} cannot be used as an embedder: {error}.",
                fix="Set LORE_MODELS__EMBEDDER to a sentence-transformers model.",
            ) from error
        self.name = name
        self._alone = alone
        self.dimensions = int(self._model.get_embedding_dimension())
        self.window = int(self._model.max_seq_length)
        self._lock = threading.Lock()  # a fast tokenizer must not be used by two threads at once
        self._counted = lru_cache(maxsize=REMEMBERED)(self._count)

    def count_tokens(self, text: str) -> int:
        return self._counted(_readable(text))

    def opening(self, text: str) -> str:
        with self._lock:
            read = self._model.tokenizer(
                text, truncation=True, max_length=self.window, return_offsets_mapping=True
            )
        return text[: max(end for _, end in read["offset_mapping"])]

    def passages(self, texts: list[str]) -> NDArray[np.float32]:
        threads = _all_threads() if self._alone else _half_the_threads()
        tokens = ALONE if self._alone else BESIDE_QUESTIONS
        return self._encode(texts, self._model.encode_document, threads=threads, tokens=tokens)

    def question(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self._encode(
            [text], self._model.encode_query, threads=1, tokens=BESIDE_QUESTIONS
        )[0]
        return vector

    def _encode(
        self, texts: list[str], encode: Any, *, threads: int, tokens: int
    ) -> NDArray[np.float32]:
        """A text beyond the window becomes the mean of its parts: nothing is cut off unseen."""
        import numpy as np

        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        parts = [self._within_window(_readable(text)) for text in texts]
        flat = [part for each in parts for part in each]
        vectors = np.zeros((len(flat), self.dimensions), dtype=np.float32)
        for places in batches([self.count_tokens(part) for part in flat], tokens):
            # Locked for one batch only: a question must not wait for a whole index.
            with self._lock, _threads(threads):
                vectors[places] = encode(
                    [flat[place] for place in places],
                    batch_size=len(places),
                    show_progress_bar=False,
                    convert_to_numpy=True,
                )
        starts = np.cumsum([0, *(len(each) for each in parts[:-1])])
        return normalised(np.add.reduceat(normalised(vectors), starts, axis=0))

    def _within_window(self, text: str) -> list[str]:
        if self.count_tokens(text) <= self.window:
            return [text]
        from retrieval.chunks import pieces

        return pieces(text, lambda part: self.count_tokens(part) <= self.window)

    def _count(self, text: str) -> int:
        with self._lock:
            return len(self._model.tokenizer(text, truncation=False, verbose=False)["input_ids"])


def batches(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Places of texts of like length, each batch at most so many tokens when padded to its longest.

    A text that is longer than that is a batch of its own.
    """
    batch = list[int]()
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[place] > tokens:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _readable(text: str) -> str:
    """Halves of surrogate pairs, which no tokenizer takes, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


class HashingEmbedder:
    """For tests of everything around an embedder: words in, their hashes' directions out.

    It knows no meaning at all: texts are alike only when they share words. Never a setting.
    """

    name = "hashing"
    dimensions = 64
    window = 256

    def __init__(self) -> None:
        self.embedded: list[str] = []  # every passage that it was asked for

    def count_tokens(self, text: str) -> int:
        return len(text.split()) + 2

    def opening(self, text: str) -> str:
        return " ".join(text.split()[: self.window - 2])

    def passages(self, texts: list[str]) -> NDArray[np.float32]:
        self.embedded.extend(texts)
        return self._vectors(texts)

    def question(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self._vectors([text])[0]
        return vector

    def _vectors(self, texts: list[str]) -> NDArray[np.float32]:
        import numpy as np

        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.casefold()):
                digest = hashlib.sha256(word.encode()).digest()
                vectors[row, digest[0] % self.dimensions] += 1 if digest[1] % 2 else -1
        return normalised(vectors)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute with so many threads, in this thread only.

    On two cores beside a training run, a question took 137 ms with two threads and 15 with one:
    each of a small model's many layers waits for the thread that has no core.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _all_threads() -> int:
    import torch

    return torch.get_num_threads()


def _half_the_threads() -> int:
    """An index is built in the background; the rest of the machine answers or trains meanwhile."""
    import torch

    return max(1, torch.get_num_threads() // 2)


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows at length one; a row of zeros stays what it is."""
    import numpy as np

    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.asarray(vectors / lengths).astype(np.float32)
