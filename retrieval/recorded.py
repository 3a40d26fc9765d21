"""The database and the artifact folder in; the index that was searched last out, and which folders may go."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from sqlalchemy import Connection, Engine

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Passage, PassageKind
from lorekeeper.errors import BadInput, LorekeeperError
from lorekeeper.store import indexes, messages, reading
from retrieval import index as indexing
from retrieval import segment as segments
from retrieval.embed import Embedder
from retrieval.index import Index
from retrieval.segment import DamagedIndex

OF_OTHERS = 3600.0  # seconds after which a folder that nobody recorded is removed

log = logging.getLogger(__name__)


def last(
    engine: Engine,
    embedder: Embedder,
    artifacts: ArtifactStore,
    load: Callable[[str], Embedder] | None = None,
) -> Index | None:
    """The index that was searched last, or what is whole of it; None where nothing is.

    One of another embedder is opened with that one, which `load` finds by its name.
    """
    with reading(engine) as db:
        built = indexes.current(db)
    if built is None:
        return None
    try:
        name = indexing.read_about(artifacts, built.folder)["embedder"]
        if name != embedder.name and load is not None:
            embedder = load(name)
        return indexing.open_index(artifacts.root / built.folder, embedder)
    except DamagedIndex as error:
        log.warning("the last index is damaged, what is missing is built again: %s", error)
        return indexing.open_whole(artifacts.root / built.folder, embedder)
    except LorekeeperError as error:
        log.warning("the last index is not used, a new one is built: %s", error)
        return None


def unfinished(embedder: Embedder, artifacts: ArtifactStore) -> Index | None:
    """An index of this embedder that was being built when the process ended."""
    for folder in _folders(artifacts, indexing.KIND):
        try:
            return indexing.open_index(artifacts.root / folder, embedder)
        except (DamagedIndex, BadInput):
            continue
    return None


def put(engine: Engine, artifacts: ArtifactStore, new: Index, growing: Index | None = None) -> None:
    """Record the index that is searched from now on, and remove what no index holds any more.

    Folders that nobody recorded (a training run builds its own) stay for an hour.
    """
    with engine.begin() as db:
        row = indexes.current(db)
        if row is None or row.folder != new.folder:
            row = indexes.record(db, hash=new.hash, folder=new.folder, passages=len(new))
        unused = indexes.forget_others(db, row)
    kept = {each.folder: each for each in (new, growing) if each is not None}
    in_use = {segment.folder for each in kept.values() for segment in each.segments}
    unused = [folder for folder in unused if folder not in kept]
    old = {segment for folder in unused for segment in _segments(artifacts, folder)}
    forgotten = {
        folder
        for kind in (indexing.KIND, segments.KIND)
        for folder in _folders(artifacts, kind)
        if _age(artifacts.root / folder) > OF_OTHERS
    }
    for folder in ({*unused, *forgotten} - kept.keys()) | (old - in_use):
        if folder not in in_use:
            shutil.rmtree(artifacts.root / folder, ignore_errors=True)


def withdrawn(db: Connection, passages: Iterable[Passage]) -> set[str]:
    """Ids of passages that must not be quoted any more: deleted, withdrawn, or since made private."""
    told = [passage for passage in passages if passage.kind is not PassageKind.DOCUMENT]
    if not told:
        return set()
    threads = [passage for passage in told if passage.kind is PassageKind.THREAD]
    gone = indexes.gone(db, {name for passage in threads for name in passage.messages})
    shared = [passage for passage in told if passage.kind is PassageKind.FILE]
    gone |= indexes.unshared(db, {name for passage in shared for name in passage.messages})
    answers = {passage.messages[0] for passage in told if passage.kind is PassageKind.PAIR}
    gone |= {f"pair:{name}" for name in indexes.unapproved(db, answers)}
    private = {channel.id for channel in messages.all_channels(db) if channel.scope != PUBLIC}
    return {
        passage.id
        for passage in told
        if not gone.isdisjoint(_sources(passage))
        or (passage.scope == PUBLIC and _channel(passage) in private)
    }


def _sources(passage: Passage) -> tuple[str, ...]:
    if passage.kind is PassageKind.PAIR:
        return (f"pair:{passage.messages[0]}",)
    return passage.messages


def _channel(passage: Passage) -> str:
    return passage.messages[0].partition("/")[0]


def _segments(artifacts: ArtifactStore, folder: str) -> list[str]:
    try:
        return indexing.listed(artifacts.root / folder)
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _folders(artifacts: ArtifactStore, kind: str) -> list[str]:
    parent = artifacts.root / kind
    if not parent.is_dir():
        return []
    return [f"{kind}/{path.name}" for path in parent.iterdir() if path.is_dir()]


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime if path.exists() else 0.0
