"""Documents in; how fast they are embedded and indexed, and what an update costs in small and large indexes, out.

The embedding is compared in the same run with sentence-transformers alone, with each of its CPU
backends that is installed (its ONNX and OpenVINO backends need `optimum`, which holds transformers
below 4.58). The rest of a build is what cutting, counting words, FAISS and writing take on top of
the embedding. An update adds one passage and removes one. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from bench.search import Prepared, passages_of, spread
from lorekeeper import models
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Passage
from lorekeeper.settings import Models, Retrieval, Settings

QUICK, FULL = 100, 2_000  # real passages
SIZES = {False: (1_000, 10_000), True: (1_000, 10_000, 100_000)}  # of the indexes that are updated
UPDATES = 10
BACKENDS = ("torch", "onnx", "openvino")


def main(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of documents, beside Python's.")
    ] = None,
    full: Annotated[
        bool, typer.Option(help=f"{FULL:,} passages instead of {QUICK}, and larger indexes.")
    ] = False,
) -> None:
    """Measure the embedding, the rest of a build, and an update."""
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        figures = _building(list(folders or ()), FULL if full else QUICK, root / "build")
        figures |= _updating(SIZES[full], root / "update")
    table = Table("", "", title="Building and updating an index")
    for name, value in figures.items():
        table.add_row(name, str(value))
    console.print(table)
    print(json.dumps(figures))


def _building(folders: list[Path], count: int, root: Path) -> dict[str, Any]:
    from retrieval.embed import load
    from retrieval.index import build
    from retrieval.sources import from_documents

    model = load(Models().embedder, root, alone=True)
    settings = Settings(retrieval=Retrieval(documents=("pydoc", *map(str, folders))))
    began = time.perf_counter()
    found = list(from_documents(settings, model))
    cutting = (time.perf_counter() - began) * min(count, len(found)) / len(found)
    passages = [found[row] for row in np.random.default_rng(0).permutation(len(found))[:count]]
    texts = [passage.text for passage in passages]
    model.passages(texts[:8])
    peers = {name: _alone(name, texts, root) for name in BACKENDS}
    embedding = _seconds(lambda: model.passages(texts))
    prepared = Prepared(model.passages(texts))
    rest = cutting + _seconds(lambda: build(passages, prepared, ArtifactStore(root)))
    rates = {name: round(count / each, 1) for name, each in peers.items() if each is not None}
    return {
        "passages": len(texts),
        "ours_per_second": round(count / embedding, 1),
        **{f"sentence_transformers_{name}_per_second": rate for name, rate in rates.items()},
        "not_installed": [name for name in BACKENDS if name not in rates],
        "ours_to_best": round(count / embedding / max(rates.values()), 2),
        "rest_of_a_build_to_embedding": round(rest / embedding, 3),
    }


def _alone(backend: str, texts: list[str], scratch: Path) -> float | None:
    """Seconds of sentence-transformers' own `encode`; None where the backend is not installed."""
    import torch
    from sentence_transformers import SentenceTransformer

    if backend != "torch" and find_spec("optimum") is None:
        return None
    torch.set_num_threads(os.cpu_count() or 1)
    folder = str(models.get(Models().embedder, scratch))
    options = {} if backend == "torch" else {"model_kwargs": {"export": True}}
    model = SentenceTransformer(folder, device="cpu", backend=backend, **options)
    model.encode(texts[:8])
    return min(_seconds(lambda size=size: model.encode(texts, batch_size=size)) for size in (8, 32))


def _updating(sizes: tuple[int, ...], root: Path) -> dict[str, float]:
    """Milliseconds of one update, the embedding aside: it is the same at any size."""
    from retrieval.index import build, update

    chance = np.random.default_rng(0)
    real = chance.normal(size=(200, 384)).astype(np.float32)
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    figures = dict[str, float]()
    for size in sizes:
        matrix, parents = spread(real, size + UPDATES)
        passages: list[Passage] = passages_of(
            [f"{word} of the thing." for word in WORDS * 20], parents
        )
        artifacts, embedder = ArtifactStore(root / str(size)), Prepared(matrix)
        index = build(passages[:size], embedder, artifacts)
        times = list[float]()
        for number in range(UPDATES):
            began = time.perf_counter()
            index = update(
                index,
                artifacts,
                added=[passages[size + number]],
                removed=[passages[number].id],
            )
            times.append(time.perf_counter() - began)
        figures[f"update_ms of {size:,}"] = round(1000 * median(times), 1)
    return figures


WORDS = [
    "backup",
    "restore",
    "deploy",
    "rollback",
    "token",
    "expires",
    "queue",
    "worker",
    "disk",
    "full",
]


def _seconds(deed: Callable[[], object]) -> float:
    began = time.perf_counter()
    deed()
    return time.perf_counter() - began


if __name__ == "__main__":
    typer.run(main)
