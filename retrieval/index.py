"""Passages in, an immutable folder out; a question and the scopes of its asker in, hits out.

What the asker may not see is left out before anything is ranked, so that it neither shows nor
takes the place of something that may be seen.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lorekeeper.artifacts import ArtifactStore, Draft
from lorekeeper.domain import PUBLIC, Hit, Passage, PassageKind, public_of
from lorekeeper.errors import BadInput, LorekeeperError
from lorekeeper.store.rows import plain, revive
from retrieval import lexical, vectors
from retrieval.embed import Embedder
from retrieval.fuse import fused, standing
from retrieval.rank import ranked
from retrieval.rerank import Reranker

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KIND = "indexes"
PASSAGES = "passages.jsonl"
FORMAT = 2
BETWEEN_CHECKS = 256  # passages; some seconds of embedding
EVERY_KIND = frozenset(PassageKind)
POOL = 50  # candidates that each ranking hands to the fusion, at least


class DamagedIndex(LorekeeperError):
    """An index folder differs from its manifest; it has to be built again."""


def build(
    passages: Iterable[Passage],
    embedder: Embedder,
    artifacts: ArtifactStore,
    previous: Index | None = None,
    *,
    check: Callable[[], None] = lambda: None,
) -> Index:
    """Write an index of these passages and open it. Only passages that `previous` lacks are embedded.

    `check` is called now and then; what it raises ends the work, and nothing is left behind.

    Raises:
        NoSpace: the disk is full; nothing is left behind.
    """
    unique = list({passage.id: passage for passage in passages}.values())
    matrix = _vectors(unique, embedder, previous, check)
    folder = _write(unique, matrix, embedder, artifacts)
    try:
        return open_index(artifacts.open(folder), embedder)
    except DamagedIndex:  # this content was there before, and has been damaged since
        shutil.rmtree(artifacts.open(folder))
        return open_index(artifacts.open(_write(unique, matrix, embedder, artifacts)), embedder)


def open_index(folder: Path, embedder: Embedder) -> Index:
    """Open a built folder after comparing every file with the manifest.

    Raises:
        DamagedIndex: a file is missing, differs, or cannot be read.
        BadInput: it was built with another embedder, or by another version of this file.
    """
    try:
        artifacts, name = ArtifactStore(folder.parent.parent), f"{folder.parent.name}/{folder.name}"
        about = artifacts.manifest(name)
        if wrong := artifacts.verify(name):
            raise _damaged(folder, f"{', '.join(wrong)} differ from its manifest")
        if (about["format"], about["embedder"]) != (FORMAT, embedder.name):
            raise BadInput(
                f"The index {folder} was built with {about['embedder']}, format {about['format']}.",
                fix=f"Build it again with {embedder.name}: `lore index build`.",
            )
        return Index(folder, name, about["hash"], embedder)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _damaged(folder, str(error)) from error


class Index:
    """A built folder, open for search from any number of threads."""

    def __init__(self, path: Path, folder: str, digest: str, embedder: Embedder) -> None:
        import numpy as np

        self.folder = folder  # relative to the artifact store
        self.hash = digest
        self.embedder = embedder
        with (path / PASSAGES).open(encoding="utf-8") as lines:
            self.passages = tuple(revive(Passage, json.loads(line)) for line in lines)
        self.rows = {passage.id: row for row, passage in enumerate(self.passages)}
        self.meanings = vectors.Vectors(path) if self.passages else None
        self.words = lexical.Lexical(path)
        self._scopes = np.array([passage.scope for passage in self.passages], dtype=object)
        self._public_of = np.array([_public_scope(p) for p in self.passages], dtype=object)
        self._kinds = np.array([passage.kind for passage in self.passages], dtype=object)
        self._vouched = np.array([p.kind is PassageKind.PAIR for p in self.passages], dtype=bool)
        self._hidden = np.zeros(len(self.passages), dtype=bool)
        self._hiding = threading.Lock()
        self._said = _rows_by_message(self.passages)

    def __len__(self) -> int:
        return len(self.passages)

    def search(
        self,
        question: str,
        *,
        scopes: frozenset[str],
        k: int,
        exclude: frozenset[str] = frozenset(),
        kinds: frozenset[PassageKind] = EVERY_KIND,
        reranker: Reranker | None = None,
    ) -> list[Hit]:
        """The k best passages of these scopes and kinds, best first; fewer only where fewer may be seen.

        `exclude` names conversations and messages ("CHANNEL/TS") that must not be quoted.
        """
        return self._found(question, self._visible(scopes, exclude, kinds), k, k, reranker)

    def trace(
        self,
        question: str,
        *,
        scopes: frozenset[str] | None,
        k: int,
        exclude: frozenset[str] = frozenset(),
        kinds: frozenset[PassageKind] = EVERY_KIND,
        reranker: Reranker | None = None,
    ) -> list[Hit]:
        """All candidates of the search for k, best first, to say why something was found or was not.

        Without `scopes`, those that nobody may be shown, too: for operators and measurements alone.
        """
        import numpy as np

        everything = np.ones(len(self), dtype=bool)
        visible = everything if scopes is None else self._visible(scopes, exclude, kinds)
        return self._found(question, visible, k, len(self), reranker)

    def _found(
        self,
        question: str,
        visible: NDArray[np.bool_],
        k: int,
        shown: int,
        reranker: Reranker | None,
    ) -> list[Hit]:
        """The best `shown` of the candidates that a search for k looks at."""
        import numpy as np

        if self.meanings is None or k < 1 or not question.strip() or not visible.any():
            return []
        pool = max(POOL, 4 * k)
        asked = self.embedder.question(question)
        shared = self.words.scores(question, visible=visible)
        by_meaning = self.meanings.nearest(asked, visible=visible, k=pool).tolist()
        by_words = lexical.best(shared, pool).tolist()
        rows = list(dict.fromkeys(by_meaning + by_words))
        found = self.vectors(rows)
        similarity, covered = found @ asked, self.words.covered(question, np.array(rows))
        prior = self._standing(rows)
        scores = fused(similarity, covered, shared[rows]) + prior
        passages = [self.passages[row] for row in rows]
        chosen = ranked(
            question, scores, prior, found, lambda place: passages[place].text,
            shown=shown, reranker=reranker,
        )  # fmt: skip
        told = [f"{p.title}\n{p.text}" for p in (passages[one.place] for one in chosen)]
        coverage, wanted = self.words.coverage(question, told), lexical.names(question)
        return [
            Hit(
                passage=passages[one.place],
                score=float(scores[one.place]),
                similarity=float(similarity[one.place]),
                coverage=coverage[at],
                is_about_another=bool(wanted) and wanted.isdisjoint(lexical.names(told[at])),
                dense_rank=_rank(by_meaning, rows[one.place]),
                lexical_rank=_rank(by_words, rows[one.place]),
                words=float(shared[rows[one.place]]),
                standing=float(prior[one.place]),
                reranked=one.reranked,
                repeats="" if one.repeats is None else passages[one.repeats].id,
            )
            for at, one in enumerate(chosen)
        ]

    def _standing(self, rows: list[int]) -> NDArray[np.float32]:
        """What approval and age add to the scores of these rows; a document does not grow old."""
        import numpy as np

        told = [self.passages[row] for row in rows]
        ages = [0.0 if p.kind is PassageKind.DOCUMENT else time.time() - p.at for p in told]
        return standing(self._vouched[rows], np.array(ages))

    def hide(self, ids: Iterable[str]) -> None:
        """Leave these passages out of every later search: their source is gone."""
        rows = [self.rows[passage_id] for passage_id in ids if passage_id in self.rows]
        with self._hiding:
            hidden = self._hidden.copy()  # a search that is under way keeps the mask it began with
            hidden[rows] = True
            self._hidden = hidden

    def shown(self) -> frozenset[str]:
        """Ids of the passages that a search can find."""
        hidden = self._hidden
        return frozenset(name for name, row in self.rows.items() if not hidden[row])

    def vectors(self, rows: list[int]) -> NDArray[np.float32]:
        """The vectors of these rows, shape [rows, dimensions]."""
        import numpy as np

        if self.meanings is None:
            return np.zeros((0, self.embedder.dimensions), dtype=np.float32)
        return self.meanings.rows(np.array(rows, dtype=np.int64))

    def _visible(
        self, scopes: frozenset[str], exclude: frozenset[str], kinds: frozenset[PassageKind]
    ) -> NDArray[np.bool_]:
        import numpy as np

        named = list(scopes)
        seen = np.isin(self._scopes, named) | np.isin(self._public_of, named)
        seen &= ~self._hidden
        if kinds != EVERY_KIND:
            seen &= np.isin(self._kinds, list(kinds))
        for conversation in exclude:
            seen[self._said.get(conversation, [])] = False
        return np.asarray(seen, dtype=bool)


def _vectors(
    passages: list[Passage],
    embedder: Embedder,
    previous: Index | None,
    check: Callable[[], None],
) -> NDArray[np.float32]:
    import numpy as np

    known = previous.rows if previous and previous.embedder.name == embedder.name else {}
    matrix = np.zeros((len(passages), embedder.dimensions), dtype=np.float32)
    old = [row for row, passage in enumerate(passages) if passage.id in known]
    new = [row for row, passage in enumerate(passages) if passage.id not in known]
    if previous is not None and old:
        matrix[old] = previous.vectors([known[passages[row].id] for row in old])
    for start in range(0, len(new), BETWEEN_CHECKS):
        check()
        rows = new[start : start + BETWEEN_CHECKS]
        matrix[rows] = embedder.passages([passages[row].text for row in rows])
    return matrix


def _write(
    passages: list[Passage],
    matrix: NDArray[np.float32],
    embedder: Embedder,
    artifacts: ArtifactStore,
) -> str:
    about = {"format": FORMAT, "embedder": embedder.name, "passages": len(passages)}
    with artifacts.write(KIND, about) as draft:
        _fill(draft, passages, matrix)
    return draft.folder


def _fill(draft: Draft, passages: list[Passage], matrix: NDArray[np.float32]) -> None:
    with (draft.path / PASSAGES).open("w", encoding="utf-8") as file:
        for passage in passages:
            file.write(json.dumps(plain(passage), ensure_ascii=False) + "\n")
    if passages:
        vectors.write(matrix, draft.path)
    lexical.write([passage.text for passage in passages], draft.path)


def _rows_by_message(passages: Iterable[Passage]) -> dict[str, list[int]]:
    """Rows under their conversation and under every message that they quote."""
    found = dict[str, list[int]]()
    for row, passage in enumerate(passages):
        for name in {passage.conversation, *passage.messages} - {""}:
            found.setdefault(name, []).append(row)
    return found


def _public_scope(passage: Passage) -> str:
    """The narrower scope of what was said in a public channel."""
    said_in = passage.conversation.partition("/")[0]
    return public_of(said_in) if passage.scope == PUBLIC and said_in else ""


def _rank(rows: list[int], row: int) -> int | None:
    return rows.index(row) + 1 if row in rows else None


def _damaged(folder: Path, why: str) -> DamagedIndex:
    return DamagedIndex(
        f"The index {folder} is damaged: {why}.", fix="Build it again: `lore index build`."
    )
