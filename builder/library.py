"""A dataset's rows in; the passages and the similar pairs that each may be shown, and never its own, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from builder.dataset import Row
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Passage
from lorekeeper.settings import Settings
from lorekeeper.store import reading
from retrieval import embed, evidence, index, recorded, rerank, sources

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Public passages of everything but the held-out conversations, and the training pairs as vectors."""

    index: index.Index
    embedder: embed.Embedder
    settings: Settings
    train: Sequence[Row]
    vectors: NDArray[np.float32]  # [train rows, dimensions]
    heldout: frozenset[str]

    def passages(self, question: str, *, conversation: str) -> list[Passage]:
        """What the assistant would be given for the question, without this conversation and the held-out ones."""
        hits = self.index.search(
            question,
            scopes=frozenset({PUBLIC}),
            k=self.settings.retrieval.passages,
            exclude=self.heldout | ({conversation} if conversation else set()),
            reranker=rerank.of(self.settings),
        )
        return [hit.passage for hit in evidence.enough(hits, self.settings.retrieval.min_evidence)]

    def examples(self, question: str, k: int) -> list[tuple[str, str]]:
        """The k training pairs with the most similar questions, the most similar last."""
        similar = self.vectors @ self.embedder.question(question)
        nearest = similar.argsort()[::-1][:k]
        return [(self.train[row].question, self.train[row].answer) for row in reversed(nearest)]


def open_library(
    engine: Engine, settings: Settings, train: Sequence[Row], heldout: Sequence[Row]
) -> Library:
    """Build the index over what is there now; vectors of the index that serves are used again."""
    artifacts = ArtifactStore(settings.store.data)
    embedder = embed.load(settings.models.embedder_name, settings.store.data)
    with reading(engine) as db:
        wanted = list(sources.collect(db, settings, embedder))
    previous = recorded.last(engine, embedder, artifacts)
    return Library(
        index=index.build(wanted, embedder, artifacts, previous),
        embedder=embedder,
        settings=settings,
        train=train,
        vectors=embedder.passages([row.question for row in train]),
        heldout=frozenset(row.conversation for row in heldout),
    )
