"""A dataset's rows in; the passages and the similar pairs that each may be shown, and never its own, out.

Nothing that was said around a held-out answer is in the index at all. Where a channel has no threads,
the words right after an answer ("thanks, `raco exe` was it") would otherwise give it away.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from builder.dataset import Row
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Passage, PassageKind
from lorekeeper.questions import LULL
from lorekeeper.settings import Settings
from lorekeeper.store import reading
from retrieval import embed, evidence, index, recorded, rerank, sources

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


SLACK_TS = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Public passages of everything but what surrounds the held-out answers, and the training pairs as vectors."""

    index: index.Index
    embedder: embed.Embedder
    settings: Settings
    train: Sequence[Row]
    vectors: NDArray[np.float32]  # [train rows, dimensions]
    heldout: frozenset[str]

    def passages(self, question: str, *, conversation: str, shown: str = "") -> list[Passage]:
        """What the assistant would be given for the question, without this conversation and the held-out ones.

        `shown` names a held-out conversation that is not left out.
        """
        hits = self.index.search(
            question,
            scopes=frozenset({PUBLIC}),
            k=self.settings.retrieval.passages,
            exclude=(self.heldout - {shown}) | ({conversation} if conversation else set()),
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
        found = list(sources.collect(db, settings, embedder))
    judged_by = _said(found, heldout)
    wanted = [passage for passage in found if not _is_around(passage, judged_by)]
    previous = recorded.last(engine, embedder, artifacts)
    return Library(
        index=index.build(wanted, embedder, artifacts, previous),
        embedder=embedder,
        settings=settings,
        train=train,
        vectors=embedder.passages([row.question for row in train]),
        heldout=frozenset(row.conversation for row in heldout),
    )


def _said(passages: Iterable[Passage], rows: Sequence[Row]) -> dict[str, list[float]]:
    """When the questions and answers of these rows were said, oldest first, by channel."""
    ids = {row.pair_id for row in rows}
    names = {name for one in passages if one.pair_id in ids for name in one.messages}
    names |= {f"{row.channel}/{row.answer_ts}" for row in rows}
    moments = dict[str, list[float]]()
    for channel, at in sorted(_places(names)):
        moments.setdefault(channel, []).append(at)
    return moments


def _is_around(passage: Passage, said: Mapping[str, Sequence[float]]) -> bool:
    """Whether people said it in the same channel, and no pause over which no talk goes on lies between."""
    return passage.kind is PassageKind.THREAD and any(
        _is_near(at, said.get(channel, ())) for channel, at in _places(passage.messages)
    )


def _is_near(at: float, moments: Sequence[float]) -> bool:
    place = bisect_left(moments, at - LULL)
    return place < len(moments) and moments[place] <= at + LULL


def _places(names: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Channel and second of what these names of messages say; of what is from elsewhere, nothing."""
    for name in names:
        channel, _, ts = name.rpartition("/")
        if SLACK_TS.fullmatch(ts):
            yield channel, float(ts)
