"""A built index in; how each segment holds its vectors, why, in how much memory and with what recall, out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lorekeeper.artifacts import ArtifactStore
from retrieval.index import listed, read_about
from retrieval.segment import open_segment
from retrieval.vectors import NEAREST, Vectors, like_questions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHARES = (1.0, 0.1, 0.01)  # of the vectors that a filter lets pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One segment."""

    folder: str
    passages: int
    kind: str
    why: str
    mebibytes: float  # of what searches by meaning read
    recall: dict[float, float]  # @10 against exact search, for each share that a filter lets pass


def explained(artifacts: ArtifactStore, folder: str, questions: int) -> Iterator[Explained]:
    """Measure each segment with vectors that lie to its own as questions do.

    Raises:
        DamagedIndex: a file is missing, differs, or cannot be read.
    """
    read_about(artifacts, folder)
    for name in listed(artifacts.root / folder):
        meanings = open_segment(artifacts, name).meanings
        plan = meanings.plan
        yield Explained(
            folder=name,
            passages=len(meanings),
            kind=plan.kind if plan.kind == "flat" else f"{plan.lists:,} lists, {plan.storage}",
            why=plan.why,
            mebibytes=meanings.bytes / 2**20,
            recall=recall(meanings, questions),
        )


def recall(meanings: Vectors, questions: int) -> dict[float, float]:
    """Share of the NEAREST by exact search that are found, for each of SHARES."""
    import numpy as np

    whole = meanings.exact(np.arange(len(meanings)))
    asked = like_questions(whole, questions)
    passes = np.random.default_rng(0).random(len(whole))
    found = dict[float, float]()
    for share in SHARES:
        mask = meanings.mask(passes < share)
        true = [_nearest(whole @ question, mask.visible) for question in asked]
        near = [meanings.nearest(question, mask, NEAREST).tolist() for question in asked]
        pairs = [(wanted, got) for wanted, got in zip(true, near, strict=True) if wanted]
        found[share] = float(np.mean([len(w & set(got)) / len(w) for w, got in pairs] or [1.0]))
    return found


def _nearest(likeness: NDArray[np.float32], visible: NDArray[np.bool_]) -> set[int]:
    import numpy as np

    seen = np.flatnonzero(visible)
    best = np.argsort(-likeness[seen], kind="stable")[:NEAREST]
    return set(seen[best].tolist())
