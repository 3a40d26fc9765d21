"""Real texts, spread to 100,000 or a million passages, in; how fast and how completely they are searched, out.

A million real texts cannot be embedded on two cores in an hour, so the passages are modelled on
real ones: Python's language reference, and the documents of FOLDERS. Their embeddings are real.
Each made vector is a mixture of a real one and two of its eight neighbours, moved away from that
mixture by as much as real vectors are away from theirs, half of it in the directions in which its
neighbours differ from theirs, half in directions with the covariance of all such differences; its
text is made of sentences of the same three. Questions are real and held out: first sentences of
passages that nothing was made from. Recall is against comparing all vectors. Timed in a process of
its own, on one thread, k = 20; filters are scopes that hold that share of the passages.
The last line is one JSON object.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Passage, PassageKind
from lorekeeper.settings import Models, Retrieval, Settings

QUICK, FULL = 100_000, 1_000_000
QUESTIONS = 200
REAL = 1_500  # real passages at most; two cores embed some tens a second
NEIGHBOURS = 8
SHARES = {"all": 1.0, "50%": 0.5, "10%": 0.1, "1%": 0.01, "0.1%": 0.001}
K, NEAREST = 20, 10


def main(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of documents, beside Python's.")
    ] = None,
    full: Annotated[bool, typer.Option(help=f"{FULL:,} passages instead of {QUICK:,}.")] = False,
    quantised: Annotated[bool, typer.Option(help="A byte for each number of a vector.")] = False,
    hnsw: Annotated[bool, typer.Option(help="Also FAISS's HNSW, filtered afterwards.")] = False,
) -> None:
    """Measure search alone, its recall under filters, and the memory of an opened index."""
    console = Console(stderr=True, highlight=False)
    count = FULL if full else QUICK
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        with console.status("Embedding real texts"):
            texts, vectors = _real(list(folders or ()), root)
        with console.status(f"Making {count:,} passages and their index"):
            figures = _made(texts, vectors, count, root, "quantised" if quantised else "full")
        with console.status("Searching"):
            figures |= _in_a_process_of_its_own(root, hnsw)
    figures = {"passages": count, "vectors": "quantised" if quantised else "full"} | figures
    table = Table("", "", title=f"Search alone among {count:,} passages, one thread, k = {K}")
    for name, value in figures.items():
        table.add_row(name, str(value))
    console.print(table)
    print(json.dumps(figures))


def _real(folders: list[Path], scratch: Path) -> tuple[list[str], np.ndarray]:
    """Real passages and their embeddings, in an order of chance."""
    from retrieval.embed import load
    from retrieval.sources import from_documents

    model = load(Models().embedder, scratch)
    documents = ("pydoc", *map(str, folders))
    settings = Settings(retrieval=Retrieval(documents=documents))
    texts = [passage.text for passage in from_documents(settings, model)]
    chosen = np.random.default_rng(0).permutation(len(texts))[:REAL]
    texts = [texts[row] for row in chosen]
    return texts, model.passages(texts)


def _made(
    texts: list[str], vectors: np.ndarray, count: int, root: Path, storage: Any
) -> dict[str, float]:
    from retrieval.embed import load
    from retrieval.index import build

    model = load(Models().embedder, root)
    asked = [first for first in map(_question, texts[:QUESTIONS]) if first]
    questions = np.array([model.question(text) for text in asked])
    base_texts, base = texts[QUESTIONS:], vectors[QUESTIONS:]
    matrix, parents = spread(base, count)
    passages = passages_of(base_texts, parents)
    began = time.perf_counter()
    index = build(passages, Prepared(matrix), ArtifactStore(root), storage=storage)
    seconds = time.perf_counter() - began
    (root / "questions.json").write_text(json.dumps(asked))
    np.save(root / "questions.npy", questions)
    np.save(root / "matrix.npy", matrix)
    (root / "folder").write_text(index.folder)
    return {
        "real_passages": len(base),
        "questions": len(asked),
        "build_seconds": round(seconds, 1),
        "vectors_mb": round(matrix.nbytes / 1e6),
    }


def spread(real: np.ndarray, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`count` vectors of length one like these, and the three rows that each was made from."""
    chance = np.random.default_rng(seed)
    near = np.argsort(-(real @ real.T) + 2 * np.eye(len(real)), axis=1)[:, :NEIGHBOURS]
    middle = _unit(real[near].mean(axis=1))
    along = (real * middle).sum(axis=1, keepdims=True)
    away = real - along * middle
    shape = np.linalg.cholesky(np.cov(away.T) + 1e-9 * np.eye(real.shape[1])).astype(np.float32)
    matrix = np.empty((count, real.shape[1]), dtype=np.float32)
    parents = np.empty((count, 3), dtype=np.int32)
    for start in range(0, count, 20_000):
        rows = slice(start, min(start + 20_000, count))
        many = rows.stop - rows.start
        first = chance.integers(len(real), size=many)
        of = np.stack(
            [first, *(near[first, chance.integers(NEIGHBOURS, size=many)] for _ in "ab")], 1
        )
        weights = chance.dirichlet(np.ones(3), size=many).astype(np.float32)[..., None]
        mixture = _unit((real[of] * weights).sum(axis=1))
        nearby = (away[of] * chance.normal(size=(many, 3, 1)).astype(np.float32)).sum(axis=1)
        anywhere = chance.normal(size=mixture.shape).astype(np.float32) @ shape.T
        noise = _unit(_unit(nearby) + _unit(anywhere))
        size = np.linalg.norm(away[first], axis=1, keepdims=True)
        matrix[rows], parents[rows] = _unit(along[first] * mixture + size * noise), of
    return matrix, parents


def passages_of(texts: list[str], parents: np.ndarray) -> list[Passage]:
    """Texts of sentences of the same three, in scopes of the sizes that the filters need."""
    chance = np.random.default_rng(1)
    sentences = [
        [part for part in re.split(r"(?<=[.!?:])\s+|\n\n", text) if part] for text in texts
    ]
    draws = chance.random((len(parents), 6))
    scopes = [f"C{place}" for place in np.searchsorted(_edges(), chance.random(len(parents)))]
    found = []
    for row, (of, drawn, scope) in enumerate(
        zip(parents.tolist(), draws.tolist(), scopes, strict=True)
    ):
        parts = [sentences[of[at % 3]] for at in range(6)]
        text = " ".join(part[int(at * len(part))] for part, at in zip(parts, drawn, strict=True))
        found.append(
            Passage(
                id=f"{row:032x}",
                text=text[:1200],
                title=text[:60],
                kind=PassageKind.THREAD,
                url=f"https://example.com/{row}",
                scope=scope,
                conversation=f"{scope}/{row}",
                messages=(f"{scope}/{row}",),
            )
        )
    return found


def _edges() -> list[float]:
    return sorted(SHARES.values())


def _scopes(share: float) -> frozenset[str]:
    return frozenset(f"C{place}" for place, edge in enumerate(_edges()) if edge <= share)


class Prepared:
    """An embedder that gives vectors that were made before, in their order."""

    name = "prepared"
    window = 512

    def __init__(
        self, passages: np.ndarray, questions: dict[str, np.ndarray] | None = None
    ) -> None:
        self.dimensions = passages.shape[1]
        self._passages, self._given = passages, 0
        self._questions = questions or {}

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def passages(self, texts: list[str]) -> np.ndarray:
        self._given += len(texts)
        return self._passages[self._given - len(texts) : self._given]

    def question(self, text: str) -> np.ndarray:
        return self._questions[text]


def _in_a_process_of_its_own(root: Path, hnsw: bool) -> dict[str, Any]:
    os.environ["OMP_NUM_THREADS"] = "1"  # read when a process begins
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_searched, (root, hnsw))


def _searched(root: Path, hnsw: bool) -> dict[str, Any]:
    from retrieval.index import open_index

    asked = json.loads((root / "questions.json").read_text())
    questions = np.load(root / "questions.npy")
    vectors = dict(zip(asked, questions, strict=True))
    _warm_up()
    before = _memory()
    began = time.perf_counter()
    folder = root / (root / "folder").read_text()
    index = open_index(folder, Prepared(questions, vectors))
    opened = time.perf_counter() - began
    figures: dict[str, Any] = {"open_seconds": round(opened, 2)}
    figures["open_mb"] = round(_memory() - before)
    times = {name: _times(index, asked, share) for name, share in SHARES.items()}
    figures["searched_mb"] = round(_memory() - before)
    figures |= {f"p50_ms {name}": each for name, each in times.items()}
    figures |= _parts(index, asked, questions)
    matrix = np.load(root / "matrix.npy", mmap_mode="r")
    figures |= _recalls(index, questions, matrix)
    figures |= _peers(matrix, questions, hnsw)
    figures["exact_to_ours"] = round(figures["p50_ms faiss exact"] / figures["p50_ms dense"], 1)
    figures["p50_ms with_embedding"] = _with_embedding(index, asked, root)
    return figures


def _times(index: Any, asked: Sequence[str], share: float) -> float:
    scopes = _scopes(share)
    index.search(asked[0], scopes=scopes, k=K)
    return _p50(lambda at: index.search(asked[at], scopes=scopes, k=K), len(asked))


def _parts(index: Any, asked: Sequence[str], questions: np.ndarray) -> dict[str, float]:
    masks = index.visible(_scopes(1.0))
    return {
        "p50_ms dense": _p50(lambda at: index.by_meaning(questions[at], masks, 4 * K), len(asked)),
        "p50_ms words": _p50(lambda at: index.by_words(asked[at], masks, 4 * K), len(asked)),
    }


def _recalls(index: Any, questions: np.ndarray, matrix: np.ndarray) -> dict[str, float]:
    masks = {name: index.visible(_scopes(share)) for name, share in SHARES.items()}
    found = dict.fromkeys(SHARES, 0.0)
    for question in questions:
        likeness = matrix @ question
        for name, each in masks.items():
            seen = np.flatnonzero(np.concatenate([mask.visible for mask in each]))
            true = seen[np.argpartition(-likeness[seen], NEAREST)[:NEAREST]]
            near = index.by_meaning(question, each, 4 * K)[:NEAREST]
            found[name] += len(set(true.tolist()) & set(near)) / NEAREST / len(questions)
    return {f"recall@10 {name}": round(each, 4) for name, each in found.items()}


def _peers(matrix: np.ndarray, questions: np.ndarray, hnsw: bool) -> dict[str, float]:
    """FAISS alone: comparing all, and on request a graph of which the hits that may be seen are kept."""
    import faiss

    flat = faiss.IndexFlatIP(matrix.shape[1])
    flat.add(np.asarray(matrix))
    few = min(len(questions), 50)
    figures = {
        "p50_ms faiss exact": _p50(lambda at: flat.search(questions[at : at + 1], 4 * K), few)
    }
    if hnsw:
        graph = faiss.IndexHNSWFlat(matrix.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
        faiss.omp_set_num_threads(os.cpu_count() or 1)
        began = time.perf_counter()
        graph.add(np.asarray(matrix))
        figures["hnsw_build_seconds"] = round(time.perf_counter() - began, 1)
        faiss.omp_set_num_threads(1)
        graph.hnsw.efSearch = 160
        figures["p50_ms hnsw"] = _p50(
            lambda at: graph.search(questions[at : at + 1], 4 * K), len(questions)
        )
        passes = np.random.default_rng(2).random(len(matrix)) < 0.01
        figures |= _post_filtered(flat, graph, questions, passes)
    return figures


def _post_filtered(
    flat: Any, graph: Any, questions: np.ndarray, passes: np.ndarray
) -> dict[str, float]:
    whole = flat.search(questions, NEAREST)[1]
    near = graph.search(questions, 4 * K)[1]
    seen = [set(row[passes[row]][:NEAREST].tolist()) for row in near]
    return {
        "recall@10 hnsw": round(_shared(whole, [set(row[:NEAREST].tolist()) for row in near]), 4),
        "hits_of_10 hnsw filtered afterwards 1%": round(
            float(np.mean([len(row) for row in seen])), 2
        ),
    }


def _shared(true: np.ndarray, found: Sequence[set[int]]) -> float:
    pairs = zip(true.tolist(), found, strict=True)
    return float(np.mean([len(set(wanted) & near) / len(wanted) for wanted, near in pairs]))


def _with_embedding(index: Any, asked: Sequence[str], root: Path) -> float:
    """The whole query, the question's embedding included."""
    from retrieval.embed import load

    index.embedder = load(Models().embedder, root)
    return _times(index, asked, 1.0)


def _p50(deed: Callable[[int], object], count: int) -> float:
    """Median milliseconds of one call."""
    times = []
    for at in range(count):
        began = time.perf_counter()
        deed(at)
        times.append(time.perf_counter() - began)
    return round(1000 * median(times), 2)


def _question(text: str) -> str:
    """The first sentence of its body, as somebody might ask for it."""
    body = text.partition("\n\n")[2] or text
    return " ".join(re.split(r"(?<=[.!?:])\s|\n\n", body)[0].split()[:20])


def _warm_up() -> None:
    """Load what a search loads, so that it does not count as the index's memory."""
    import faiss

    from retrieval import lexical

    faiss.omp_set_num_threads(1)
    lexical.tokens("warm")


def _memory() -> float:
    """Resident memory of this process in MB: what is mapped counts from when it is touched."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


if __name__ == "__main__":
    typer.run(main)
