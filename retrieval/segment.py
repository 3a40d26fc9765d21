"""Passages and their vectors in, an immutable folder that is searched by meaning and by words, out.

An index is one or more segments. A segment never changes; what has left it is masked by its index.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Passage
from lorekeeper.errors import LorekeeperError, NotFound
from retrieval import lexical, shelf, vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KIND = "segments"


class DamagedIndex(LorekeeperError):
    """An index folder differs from its manifest; it has to be built again."""


class Segment:
    """A written segment, opened by memory map, for any number of threads."""

    def __init__(self, path: Path, folder: str) -> None:
        """Raises OSError, ValueError, KeyError or RuntimeError when a file cannot be read."""
        self.folder = folder  # relative to the artifact store
        self.passages = shelf.Shelf(path)
        self.meanings = vectors.Vectors(path)
        self.words = lexical.Words(path)
        if not len(self.passages) == len(self.meanings) == len(self.words):
            raise ValueError("its files hold different numbers of passages")

    def __len__(self) -> int:
        return len(self.passages)


def write(
    passages: Sequence[Passage],
    matrix: NDArray[np.float32],
    artifacts: ArtifactStore,
    storage: vectors.Storage,
) -> Segment:
    """Write a segment of these passages with their vectors, shape [passages, d], and open it.

    Raises:
        NoSpace: the disk is full; nothing is left behind.
    """
    folder = _write(passages, matrix, artifacts, storage)
    try:
        return open_segment(artifacts, folder)
    except DamagedIndex:  # this content was there before, and has been damaged since
        shutil.rmtree(artifacts.root / folder)
        return open_segment(artifacts, _write(passages, matrix, artifacts, storage))


def open_segment(artifacts: ArtifactStore, folder: str) -> Segment:
    """Open a written segment after comparing every file with its manifest.

    Raises:
        DamagedIndex: a file is missing, differs, or cannot be read.
    """
    try:
        if wrong := artifacts.verify(folder):
            raise damaged(folder, f"{', '.join(wrong)} differ from its manifest")
        return Segment(artifacts.open(folder), folder)
    except (NotFound, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise damaged(folder, str(error)) from error


def _write(
    passages: Sequence[Passage],
    matrix: NDArray[np.float32],
    artifacts: ArtifactStore,
    storage: vectors.Storage,
) -> str:
    with artifacts.write(KIND, {"passages": len(passages)}) as draft:
        shelf.write(passages, draft.path)
        vectors.write(matrix, draft.path, storage)
        lexical.write((passage.text for passage in passages), draft.path)
    return draft.folder


def damaged(folder: str, why: str) -> DamagedIndex:
    return DamagedIndex(
        f"The index {folder} is damaged: {why}.", fix="Build it again: `lore index build`."
    )
