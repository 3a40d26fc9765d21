"""A question and its best candidates in; how well each answers it, by a model that reads both together, out."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from lorekeeper.errors import BadInput
from lorekeeper.settings import Retrieval, Settings

BATCH = 8  # candidates read at once; the time is looked at after each batch


class Reranker(Protocol):
    """Reads a question and a passage together: slower than comparing vectors, and surer."""

    reads: int
    """How many texts it reads at most."""

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """Between 0 and 1 for each text, in their order, as far as the time allows: fewer where it is up."""
        ...


def of(settings: Settings) -> Reranker | None:
    """The one that is set, or None. It is loaded once for all who ask.

    Raises:
        NotFound, NotReachable, MissingPart: there is no such model here.
        BadInput: the folder holds no cross-encoder.
    """
    if not settings.retrieval.reranker:
        return None
    return _loaded(settings.retrieval, settings.store.data)


class CrossEncoder:
    """A sentence-transformers cross-encoder on the CPU: safetensors only, no code of the model's own."""

    def __init__(self, folder: Path, limits: Retrieval) -> None:
        import torch
        from sentence_transformers import CrossEncoder as Model

        try:
            self._model: Any = Model(
                str(folder),
                device="cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
                activation_fn=torch.nn.Sigmoid(),
            )
        except (OSError, ValueError) as error:
            raise _unusable(folder, str(error)) from error
        if self._model.config.num_labels != 1:
            raise _unusable(folder, f"it gives {self._model.config.num_labels} scores, not one")
        self.reads = limits.rerank_candidates
        self._seconds = limits.rerank_seconds
        self._lock = threading.Lock()  # a fast tokenizer must not be used by two threads at once

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """Batch by batch, until the time is up; the first batch is always read."""
        until = time.monotonic() + self._seconds
        pairs = [(question, text) for text in texts[: self.reads]]
        found = list[float]()
        while len(found) < len(pairs) and (not found or time.monotonic() < until):
            batch = pairs[len(found) : len(found) + BATCH]
            with self._lock:
                found += map(float, self._model.predict(batch, show_progress_bar=False))
        return found


@cache
def _loaded(limits: Retrieval, data: Path) -> CrossEncoder:
    from lorekeeper import models

    return CrossEncoder(models.get(limits.reranker, data), limits)


def _unusable(folder: Path, why: str) -> BadInput:
    return BadInput(
        f"{folder} cannot be used as a reranker: {why}.",
        fix="Set LORE_RETRIEVAL__RERANKER to a sentence-transformers cross-encoder with one score, or to nothing.",
    )
