"""Passages in, an immutable folder out; a question and the scopes of its asker in, hits out.

What the asker may not see is left out before anything is ranked, so that it neither shows nor
takes the place of something that may be seen.

An index names its segments, large ones first, and what has left them. An update writes one small
segment of what is new, together with the small ones before it; nothing else is touched.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Hit, Passage, PassageKind
from lorekeeper.errors import BadInput, NotFound
from retrieval import lexical
from retrieval.embed import Embedder
from retrieval.fuse import fused
from retrieval.legible import legible
from retrieval.rank import Ranked, ranked
from retrieval.rerank import Reranker
from retrieval.segment import DamagedIndex, Segment, damaged, open_segment
from retrieval.segment import write as write_segment
from retrieval.shelf import Shelf
from retrieval.vectors import Mask, Storage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Part = tuple[Segment, NDArray[np.bool_]]  # and which of its rows are gone

KIND = "indexes"
SEGMENTS, GONE = "segments.json", "gone.npy"
FORMAT = 4
BETWEEN_CHECKS = 256  # passages; some seconds of embedding
EVERY_KIND = frozenset(PassageKind)
POOL = 50  # candidates that each ranking hands to the fusion, at least
ABSORBED = 4  # a segment up to so many times the size of what is new is written anew with it
AT_ONCE = (
    20_000  # passages in a segment that an update writes; larger ones are merged in the background
)
GONE_SHARE = 0.1  # of a segment's passages; from there on it is written anew without them
REMEMBERED = 16  # masks; each takes a little over a byte a passage


def build(
    passages: Iterable[Passage],
    embedder: Embedder,
    artifacts: ArtifactStore,
    previous: Index | None = None,
    *,
    storage: Storage = "full",
    check: Callable[[], None] = lambda: None,
) -> Index:
    """Write an index of these passages and open it. Only passages that `previous` lacks are embedded.

    `check` is called now and then; what it raises ends the work, and nothing is left behind.

    Raises:
        NoSpace: the disk is full; nothing is left behind.
    """
    unique = list({passage.id: passage for passage in passages}.values())
    matrix = _vectors(unique, embedder, previous, check)
    segments = [write_segment(unique, matrix, artifacts, storage)] if unique else []
    return _recorded(segments, [_none(segment) for segment in segments], embedder, artifacts)


def update(
    index: Index,
    artifacts: ArtifactStore,
    *,
    added: Sequence[Passage] = (),
    removed: Iterable[str] = (),
    as_of: float = 0.0,
    previous: Index | None = None,
    storage: Storage = "full",
    check: Callable[[], None] = lambda: None,
) -> Index:
    """The index with these passages added and those ids removed; what it holds already is not added.

    Costs what is added, and the small segments that are written together with it. What `previous`
    holds is not embedded again.
    """
    gone = index.gone_with(removed)
    new = [passage for passage in {p.id: p for p in added}.values() if not index.holds(passage.id)]
    matrix = _vectors(new, index.embedder, previous, check)
    parts = list(zip(index.segments, gone, strict=True))
    kept = _kept(parts, len(new))
    kept += _merged(parts[len(kept) :], artifacts, storage, new, matrix)
    return _recorded(*_unzipped(kept), index.embedder, artifacts, as_of=as_of)


def merge(
    index: Index, artifacts: ArtifactStore, *, erase: bool = True, storage: Storage = "full"
) -> Index | None:
    """The index with what an update leaves for later merged; None where nothing is left.

    Segments of like size become one. With `erase`, nothing of what is gone stays in any file;
    without, only where much of a segment is gone.
    """
    parts = list(zip(index.segments, index.gone_with(()), strict=True))
    share = 0.0 if erase else GONE_SHARE
    first = next((at for at in range(len(parts)) if _wants_merging(parts, at, share)), None)
    if first is None:
        return None
    matrix = _remains([], index.embedder.dimensions)[1]
    kept = parts[:first] + _merged(parts[first:], artifacts, storage, [], matrix)
    return _recorded(*_unzipped(kept), index.embedder, artifacts, as_of=index.as_of)


def open_index(folder: Path, embedder: Embedder) -> Index:
    """Open a built folder after comparing every file with its manifest.

    Raises:
        DamagedIndex: a file is missing, differs, or cannot be read.
        BadInput: it was built with another embedder, or by another version of this file.
    """
    artifacts, name = ArtifactStore(folder.parent.parent), f"{folder.parent.name}/{folder.name}"
    about = read_about(artifacts, name)
    if (about["format"], about["embedder"]) != (FORMAT, embedder.name):
        raise BadInput(
            f"The index {folder} was built with {about['embedder']}, format {about['format']}.",
            fix=f"Build it again with {embedder.name}: `lore index build`.",
        )
    import numpy as np

    try:
        segments = [open_segment(artifacts, each) for each in listed(folder)]
        gone = np.load(folder / GONE, allow_pickle=False)
        masks = _by_segment(segments, gone)
        return Index(name, about["hash"], embedder, segments, masks, _as_of(folder))
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise damaged(name, str(error)) from error


def open_whole(folder: Path, embedder: Embedder) -> Index | None:
    """What is whole of a damaged index, not up to any time; None where nothing is, or of another embedder."""
    artifacts = ArtifactStore(folder.parent.parent)
    try:
        names = listed(folder)
        name = artifacts.manifest(f"{folder.parent.name}/{folder.name}")["embedder"]
    except (NotFound, OSError, ValueError, KeyError, TypeError):
        return None
    segments = list[Segment]()
    for each in names if name == embedder.name else ():
        with suppress(DamagedIndex):
            segments.append(open_segment(artifacts, each))
    gone = [_none(segment) for segment in segments]
    return _recorded(segments, gone, embedder, artifacts) if segments else None


def read_about(artifacts: ArtifactStore, folder: str) -> dict[str, Any]:
    """What the manifest of an index says, after comparing the folder with it.

    Raises:
        DamagedIndex: a file is missing, differs, or cannot be read.
    """
    try:
        about = artifacts.manifest(folder)
        if wrong := artifacts.verify(folder):
            raise damaged(folder, f"{', '.join(wrong)} differ from its manifest")
        return {name: about[name] for name in ("format", "embedder", "hash")}
    except (NotFound, OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, str(error)) from error


@dataclass(frozen=True, slots=True)
class Candidates:
    """What both rankings found for one question: rows of the index, and how each stage saw them."""

    rows: list[int]
    vectors: NDArray[np.float32]  # [rows, d]
    similarity: NDArray[np.float32]  # cosine to the question, [rows]
    words: NDArray[np.float32]  # BM25, [rows]
    covered: NDArray[np.float32]  # share of what the question tells that each holds, [rows]
    standing: NDArray[np.float32]  # what approval, a pin and age add, [rows]
    by_meaning: list[int]  # rows, best first
    by_words: list[int]  # rows, best first


class Index:
    """A built folder, open for search from any number of threads."""

    def __init__(
        self,
        folder: str,
        digest: str,
        embedder: Embedder,
        segments: Sequence[Segment],
        gone: Sequence[NDArray[np.bool_]],
        as_of: float = 0.0,
    ) -> None:
        self.folder = folder  # relative to the artifact store
        self.hash = digest
        self.embedder = embedder
        self.segments = tuple(segments)
        self.as_of = as_of  # it holds everything that was committed before this time; 0: not yet
        self.passages = _Passages(self.segments)
        self.statistics = lexical.Statistics(tuple(segment.words for segment in segments))
        self._slowness = [self.statistics.slowness(segment.words) for segment in segments]
        self._changing = threading.Lock()
        self._gone = tuple(gone)
        self._masks = OrderedDict[object, list[Mask]]()

    def __len__(self) -> int:
        """How many passages a search can find."""
        return len(self.passages) - sum(int(mask.sum()) for mask in self._gone)

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
        masks = self.visible(scopes, kinds, exclude)
        return self._ranked(legible(question), masks, k, shown=k, reranker=reranker)

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
        masks = self._everything() if scopes is None else self.visible(scopes, kinds, exclude)
        return self._ranked(
            legible(question), masks, k, shown=len(self.passages), reranker=reranker
        )

    def _ranked(
        self,
        question: str,
        masks: Sequence[Mask],
        k: int,
        *,
        shown: int,
        reranker: Reranker | None,
    ) -> list[Hit]:
        """The best `shown` of the candidates that a search for k looks at."""
        if k < 1 or not question.strip() or not any(mask.count for mask in masks):
            return []
        asked = self.embedder.question(question)
        found = self.candidates(question, asked, masks, max(POOL, 4 * k))
        scores = fused(found.similarity, found.covered, found.words) + found.standing
        chosen = ranked(
            question, scores, found.standing, found.vectors,
            lambda place: self.passages[found.rows[place]].text,
            shown=shown, reranker=reranker,
        )  # fmt: skip
        return self._hits(question, found, scores, chosen)

    def _everything(self) -> list[Mask]:
        import numpy as np

        return [
            segment.meanings.mask(np.ones(len(segment), dtype=bool)) for segment in self.segments
        ]

    def visible(
        self,
        scopes: frozenset[str],
        kinds: frozenset[PassageKind] = EVERY_KIND,
        exclude: frozenset[str] = frozenset(),
    ) -> list[Mask]:
        """For each segment, which rows somebody with these scopes may see and asks for."""
        with self._changing:
            masks = self._masks.get((scopes, kinds))
            if masks is None:
                masks = [
                    segment.meanings.mask(segment.passages.seen(scopes, kinds) & ~gone)
                    for segment, gone in zip(self.segments, self._gone, strict=True)
                ]
                self._masks[scopes, kinds] = masks
            self._masks.move_to_end((scopes, kinds))
            if len(self._masks) > REMEMBERED:
                self._masks.popitem(last=False)
        if not exclude:
            return masks
        return [
            mask.without(_made_from(segment, exclude))
            for segment, mask in zip(self.segments, masks, strict=True)
        ]

    def candidates(
        self, question: str, asked: NDArray[np.float32], masks: Sequence[Mask], pool: int
    ) -> Candidates:
        """The `pool` best by meaning and the `pool` best by words of what may be seen."""
        import numpy as np

        terms = self._terms(question)
        by_meaning = self.by_meaning(asked, masks, pool)
        by_words = self.by_words(terms, masks, pool)
        rows = list(dict.fromkeys(by_meaning + by_words))
        vectors = self.vectors(rows)
        words, covered, gained = np.zeros((3, len(rows)), dtype=np.float32)
        now = time.time()
        rarities = self.statistics.rarities(question)
        for number, places, local in self._split(rows):
            gained[places] = self.segments[number].passages.standing(local, now)
            for term, rarity in zip(terms[number], rarities.values(), strict=True):
                added = term.scores_of(local)
                words[places] += added
                covered[places] += rarity * (added > 0)
        covered /= sum(rarities.values()) or 1.0
        return Candidates(
            rows, vectors, vectors @ asked, words, covered, gained, by_meaning, by_words
        )

    def by_meaning(self, asked: NDArray[np.float32], masks: Sequence[Mask], k: int) -> list[int]:
        """At most k visible rows by cosine to the question's vector, best first."""
        found = [
            segment.meanings.nearest(asked, mask, k)
            for segment, mask in zip(self.segments, masks, strict=True)
        ]
        if len(found) == 1:
            return list(map(int, found[0]))
        rows = [
            row
            for start, each in zip(self.passages.starts, found, strict=True)
            for row in (each + start).tolist()
        ]
        order = (-(self.vectors(rows) @ asked)).argsort(kind="stable")[:k]
        return [rows[place] for place in order.tolist()]

    def by_words(
        self, question: str | Sequence[Sequence[lexical.Term]], masks: Sequence[Mask], k: int
    ) -> list[int]:
        """At most k visible rows that share a word with the question, by BM25, best first."""
        terms = self._terms(question) if isinstance(question, str) else question
        found = list[tuple[float, int]]()
        for start, each, mask in zip(self.passages.starts, terms, masks, strict=True):
            rows, scores = lexical.best(each, mask.visible, k)
            found += zip((-scores).tolist(), (rows + start).tolist(), strict=True)
        return [row for _, row in sorted(found)[:k]]

    def hide(self, ids: Iterable[str]) -> None:
        """Leave these passages out of every later search: their source is gone."""
        gone = self.gone_with(ids)
        with self._changing:  # a search that is under way keeps the masks it began with
            self._gone = tuple(gone)
            self._masks.clear()

    def gone_with(self, ids: Iterable[str]) -> list[NDArray[np.bool_]]:
        """For each segment, which rows are not to be found, when these ids are gone, too."""
        rows = [row for row in map(self.row, ids) if row is not None]
        touched = {number: local for number, _, local in self._split(rows)}
        gone = list(self._gone)
        for number, local in touched.items():
            gone[number] = gone[number].copy()
            gone[number][local] = True
        return gone

    def holds(self, passage_id: str) -> bool:
        """Whether a search can find this passage."""
        return self.row(passage_id) is not None

    def row(self, passage_id: str) -> int | None:
        """The row of a passage that a search can find."""
        for start, segment, gone in zip(
            self.passages.starts, self.segments, self._gone, strict=True
        ):
            row = segment.passages.row(passage_id)
            if row is not None and not gone[row]:
                return start + row
        return None

    def made_from(self, name: str) -> list[Passage]:
        """The passages that are made from this conversation, message ("CHANNEL/TS"), pair ("pair:7") or
        file ("file:F7"), or that have this parent."""
        return self._found(lambda passages: passages.made_from(name))

    def section(self, passage: Passage, *, exclude: frozenset[str] = frozenset()) -> list[Passage]:
        """The parts of its section or conversation that stand around a passage without a gap, in order.

        All are of its scope and kind, so who may see it may see them; `exclude` is that of `search`.
        """
        parts = {
            each.part: each
            for each in self.made_from(passage.parent)
            if exclude.isdisjoint({each.conversation, *each.messages})
        }
        parts[passage.part] = passage
        first = last = passage.part
        while first - 1 in parts:
            first -= 1
        while last + 1 in parts:
            last += 1
        return [parts[number] for number in range(first, last + 1)]

    def of_channel(self, channel: str) -> list[Passage]:
        """The passages of what was said in this channel."""
        return self._found(lambda passages: passages.of_channel(channel))

    def of_kind(self, kind: PassageKind) -> list[Passage]:
        return self._found(lambda passages: passages.of_kind(kind))

    def said_in(self) -> set[tuple[str, str]]:
        """The channels of its passages, with the scope of each; some of what is gone may be among them."""
        return set().union(*(segment.passages.said_in() for segment in self.segments))

    def shown(self) -> Iterator[Passage]:
        """Every passage that a search can find."""
        for segment, gone in zip(self.segments, self._gone, strict=True):
            yield from (passage for row, passage in enumerate(segment.passages) if not gone[row])

    def vectors(self, rows: Sequence[int], *, exact: bool = False) -> NDArray[np.float32]:
        """The vectors of these rows, shape [rows, dimensions]: as they are compared, or as they were made."""
        import numpy as np

        found = np.zeros((len(rows), self.embedder.dimensions), dtype=np.float32)
        for number, places, local in self._split(rows):
            meanings = self.segments[number].meanings
            found[places] = meanings.exact(local) if exact else meanings.rows(local)
        return found

    def _found(self, rows: Callable[[Shelf], NDArray[Any]]) -> list[Passage]:
        return [
            segment.passages[int(row)]
            for segment, gone in zip(self.segments, self._gone, strict=True)
            for row in rows(segment.passages)
            if not gone[row]
        ]

    def _terms(self, question: str) -> list[list[lexical.Term]]:
        """The question's words in each segment, with weights from all of them."""
        weights = self.statistics.weights(question)
        return [
            [segment.words.term(word, weight, slowness) for word, weight in weights.items()]
            for segment, slowness in zip(self.segments, self._slowness, strict=True)
        ]

    def _split(
        self, rows: Sequence[int]
    ) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
        """For each segment that holds some: its number, their places in `rows`, their rows in it."""
        import numpy as np

        wanted = np.asarray(rows, dtype=np.int64)
        of = np.searchsorted(self.passages.starts, wanted, side="right") - 1
        for number in np.unique(of).tolist():
            places = np.flatnonzero(of == number)
            yield number, places, wanted[places] - self.passages.starts[number]

    def _hits(
        self,
        question: str,
        found: Candidates,
        scores: NDArray[np.float32],
        chosen: Sequence[Ranked],
    ) -> list[Hit]:
        passages = [self.passages[found.rows[one.place]] for one in chosen]
        told = [f"{passage.title}\n{passage.text}" for passage in passages]
        coverage = self.statistics.coverage(question, told)
        wanted = lexical.names(question)
        return [
            Hit(
                passage=passages[at],
                score=float(scores[one.place]),
                similarity=float(found.similarity[one.place]),
                coverage=coverage[at],
                is_about_another=bool(wanted) and wanted.isdisjoint(lexical.names(told[at])),
                dense_rank=_rank(found.by_meaning, found.rows[one.place]),
                lexical_rank=_rank(found.by_words, found.rows[one.place]),
                words=float(found.words[one.place]),
                standing=float(found.standing[one.place]),
                reranked=one.reranked,
                repeats="" if one.repeats is None else self.passages[found.rows[one.repeats]].id,
            )
            for at, one in enumerate(chosen)
        ]


class _Passages(Sequence[Passage]):
    """The passages of all segments in their order, those that are gone included."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self.starts = [sum(map(len, segments[:number])) for number in range(len(segments))]

    def __len__(self) -> int:
        return sum(map(len, self._segments))

    def __getitem__(self, row: Any) -> Any:
        from bisect import bisect_right

        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        number = bisect_right(self.starts, row) - 1
        return self._segments[number].passages[row - self.starts[number]]


def _vectors(
    passages: list[Passage],
    embedder: Embedder,
    previous: Index | None,
    check: Callable[[], None],
) -> NDArray[np.float32]:
    import numpy as np

    known = previous if previous and previous.embedder.name == embedder.name else None
    rows = [known.row(passage.id) if known else None for passage in passages]
    matrix = np.zeros((len(passages), embedder.dimensions), dtype=np.float32)
    old = [place for place, row in enumerate(rows) if row is not None]
    new = [place for place, row in enumerate(rows) if row is None]
    if known is not None and old:
        matrix[old] = known.vectors([row for row in rows if row is not None], exact=True)
    for start in range(0, len(new), BETWEEN_CHECKS):
        check()
        places = new[start : start + BETWEEN_CHECKS]
        matrix[places] = embedder.passages([passages[place].text for place in places])
    return matrix


def _recorded(
    segments: Sequence[Segment],
    gone: Sequence[NDArray[np.bool_]],
    embedder: Embedder,
    artifacts: ArtifactStore,
    *,
    as_of: float = 0.0,
) -> Index:
    """An index folder of these segments: it holds their names, and the rows that are gone."""
    import numpy as np

    rows = np.flatnonzero(np.concatenate([np.zeros(0, dtype=bool), *gone]))
    about = {"format": FORMAT, "embedder": embedder.name}
    with artifacts.write(KIND, about) as draft:
        held = {"as_of": as_of, "segments": [segment.folder for segment in segments]}
        (draft.path / SEGMENTS).write_text(json.dumps(held), encoding="utf-8")
        np.save(draft.path / GONE, rows, allow_pickle=False)
    return Index(draft.folder, draft.hash, embedder, segments, gone, as_of)


def listed(folder: Path) -> list[str]:
    """Folders of the segments of an index. Raises OSError, ValueError, KeyError or TypeError."""
    return list(map(str, json.loads((folder / SEGMENTS).read_text(encoding="utf-8"))["segments"]))


def _as_of(folder: Path) -> float:
    return float(json.loads((folder / SEGMENTS).read_text(encoding="utf-8"))["as_of"])


def _by_segment(segments: Sequence[Segment], rows: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    import numpy as np

    whole = np.zeros(sum(map(len, segments)), dtype=bool)
    whole[rows] = True
    ends = np.cumsum([len(segment) for segment in segments])[:-1]
    return [part.copy() for part in np.split(whole, ends)] if segments else []


def _kept(parts: list[Part], new: int) -> list[Part]:
    """The segments that an update leaves alone: those that are far larger than what comes after them."""
    kept, total = list(parts), new
    while kept and _left(kept[-1]) <= ABSORBED * total and _left(kept[-1]) + total <= AT_ONCE:
        total += _left(kept.pop())
    return kept


def _wants_merging(parts: list[Part], at: int, share: float) -> bool:
    """Whether much has gone from a segment, or it is not far larger than what comes after it."""
    left, size = _left(parts[at]), len(parts[at][0])
    return size - left > share * size or left <= ABSORBED * sum(map(_left, parts[at + 1 :]))


def _merged(
    parts: list[Part],
    artifacts: ArtifactStore,
    storage: Storage,
    new: list[Passage],
    matrix: NDArray[np.float32],
) -> list[Part]:
    """One segment of what is left in some and of what is new; none where that is nothing."""
    import numpy as np

    old, old_matrix = _remains(parts, matrix.shape[1])
    if not old and not new:
        return []
    whole = np.concatenate([old_matrix, matrix])
    segment = write_segment([*old, *new], whole, artifacts, storage)
    return [(segment, _none(segment))]


def _unzipped(parts: list[Part]) -> tuple[list[Segment], list[NDArray[np.bool_]]]:
    return [segment for segment, _ in parts], [gone for _, gone in parts]


def _left(part: Part) -> int:
    """How many passages of a segment can be found."""
    return len(part[0]) - int(part[1].sum())


def _remains(parts: Sequence[Part], width: int) -> tuple[list[Passage], NDArray[np.float32]]:
    """What can be found in some segments: the passages, and their vectors as they were made."""
    import numpy as np

    passages, matrices = list[Passage](), [np.zeros((0, width), dtype=np.float32)]
    for segment, gone in parts:
        rows = np.flatnonzero(~gone)
        passages += [segment.passages[int(row)] for row in rows]
        matrices.append(segment.meanings.exact(rows))
    return passages, np.concatenate(matrices)


def _made_from(segment: Segment, names: Iterable[str]) -> NDArray[np.int64]:
    import numpy as np

    rows = [segment.passages.made_from(name) for name in names]
    return np.concatenate([np.zeros(0, dtype=np.int64), *rows]).astype(np.int64)


def _none(segment: Segment) -> NDArray[np.bool_]:
    import numpy as np

    return np.zeros(len(segment), dtype=bool)


def _rank(rows: list[int], row: int) -> int | None:
    return rows.index(row) + 1 if row in rows else None
