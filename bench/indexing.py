"""Documents in; how fast they are embedded and indexed, and what an update costs in small and large indexes, out.

The embedding is compared in the same run, on the same texts and in turns, with sentence-transformers
alone: every precision, its default batches and larger ones, all of the machine's threads on both sides.
"In the background" is a refresh beside questions, with half of the threads. int8 is PyTorch's dynamic
quantisation of the linear layers. sentence-transformers' ONNX and OpenVINO backends are left out: they
need `optimum`, which holds transformers below 4.58. The rest of a build is what cutting, counting words,
FAISS and writing take on top of the embedding. An update adds one passage and removes one. Other work on
the machine slows the clock more than it adds processor time, so both are shown, and ratios are of
processor time. The last line is one JSON object.
"""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from retrieval.embed import Embedder

QUICK, FULL = 64, 640  # real passages
ROUNDS = 2  # the better one counts
SIZES = {False: (1_000, 10_000), True: (1_000, 10_000, 100_000)}  # of the indexes that are updated
UPDATES = 10
PRECISIONS = ("float32", "bfloat16")
DEFAULT, LARGE = 32, 64  # texts in a batch of sentence-transformers
SHARED = "Times are processor seconds (CPU) and the clock's; the machine may be shared."
LEFT_OUT = "ONNX and OpenVINO are not measured: optimum, by which sentence-transformers runs them, needs transformers below 4.58."


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """Seconds."""

    cpu: float
    wall: float


def main(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of documents, beside Python's.")
    ] = None,
    full: Annotated[
        bool, typer.Option(help=f"{FULL} passages instead of {QUICK}, and larger indexes.")
    ] = False,
) -> None:
    """Measure the embedding, the rest of a build, and an update."""
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory() as scratch, console.status("Reading") as status:
        root = Path(scratch)
        figures = _building(list(folders or ()), FULL if full else QUICK, root, status.update)
        status.update("Updating")
        figures |= _updating(SIZES[full], root / "update")
    table = Table("", "", title="Building and updating an index", caption=f"{SHARED} {LEFT_OUT}")
    for name, value in figures.items():
        table.add_row(name, str(value))
    console.print(table)
    print(json.dumps(figures | {"not_measured": LEFT_OUT}))


def _building(
    folders: list[Path], count: int, root: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    from retrieval.embed import load
    from retrieval.index import build
    from retrieval.sources import from_documents

    settings = Settings(retrieval=Retrieval(documents=("pydoc", *map(str, folders))))
    ours = dict[str, Embedder]()
    for each in PRECISIONS:
        name = Models(embedder_precision=each).embedder_name
        ours[f"ours {each}"] = load(name, root, alone=True)
        ours[f"ours {each}, in the background"] = load(name, root)
    cut = list[Passage]()
    cutting = _took(lambda: cut.extend(from_documents(settings, ours["ours float32"])))
    passages = [cut[row] for row in np.random.default_rng(0).permutation(len(cut))[:count]]
    texts = [passage.text for passage in passages]
    ways: dict[str, Callable[[], Any]] = {
        name: lambda model=model: model.passages(texts) for name, model in ours.items()
    }
    took = _in_turns(ways | _alone(texts, root), tell)
    prepared = Prepared(ways["ours float32"]())
    built = _took(lambda: build(passages, prepared, ArtifactStore(root / "build")))
    rest = built.cpu + cutting.cpu * count / len(cut)
    return {"passages": count, **_rates(took, count), **_ratios(took, rest)}


def _alone(texts: list[str], scratch: Path) -> dict[str, Callable[[], Any]]:
    """sentence-transformers' own `encode` of the texts, by precision and size of batches."""
    import torch
    from sentence_transformers import SentenceTransformer

    folder = str(models.get(Models().embedder, scratch))
    loaded = {
        each: SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": each})
        for each in PRECISIONS
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)  # quantised tensors are on their way out, too
        loaded["int8"] = torch.ao.quantization.quantize_dynamic(
            SentenceTransformer(folder, device="cpu"), {torch.nn.Linear}, dtype=torch.qint8
        )
    return {
        f"sentence-transformers {precision}, batches of {size}": (
            lambda model=model, size=size: model.encode(texts, batch_size=size)
        )
        for precision, model in loaded.items()
        for size in (DEFAULT, LARGE)
    }


def _in_turns(
    ways: Mapping[str, Callable[[], Any]], tell: Callable[[str], None]
) -> dict[str, Took]:
    """The better of a few rounds, each of which goes through all ways."""
    rounds = list[dict[str, Took]]()
    for number in range(ROUNDS):
        taken = dict[str, Took]()
        for name, way in ways.items():
            tell(f"Round {number + 1} of {ROUNDS}: {name}")
            taken[name] = _took(way)
        rounds.append(taken)
    return {
        name: Took(
            cpu=min(each[name].cpu for each in rounds), wall=min(each[name].wall for each in rounds)
        )
        for name in ways
    }


def _rates(took: Mapping[str, Took], count: int) -> dict[str, float]:
    by_cpu = {f"{name}: texts per CPU second": count / each.cpu for name, each in took.items()}
    by_wall = {f"{name}: texts per second": count / each.wall for name, each in took.items()}
    return {name: round(rate, 1) for name, rate in (by_cpu | by_wall).items()}


def _ratios(took: Mapping[str, Took], rest: float) -> dict[str, float]:
    """How fast ours is beside the best of sentence-transformers, and what a build takes on top."""
    peers = {name: each.cpu for name, each in took.items() if not name.startswith("ours")}
    figures = dict[str, float]()
    for each in PRECISIONS:
        ours = took[f"ours {each}"].cpu
        same = min(cpu for name, cpu in peers.items() if f" {each}," in name)
        figures[f"ours {each} to the best of {each}"] = same / ours
        figures[f"ours {each} to the best of all"] = min(peers.values()) / ours
        figures[f"rest of a build to the embedding in {each}"] = rest / ours
    return {name: round(value, 3) for name, value in figures.items()}


def _updating(sizes: tuple[int, ...], root: Path) -> dict[str, float]:
    """Milliseconds of one update, the embedding aside: it is the same at any size."""
    from retrieval.index import build, update

    chance = np.random.default_rng(0)
    real = chance.normal(size=(200, 384)).astype(np.float32)
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    figures, cpu = dict[str, float](), list[float]()
    for size in sizes:
        matrix, parents = spread(real, size + UPDATES)
        passages = passages_of([f"{word} of the thing." for word in WORDS * 20], parents)
        artifacts, embedder = ArtifactStore(root / str(size)), Prepared(matrix)
        index = build(passages[:size], embedder, artifacts)
        times = list[Took]()
        for number in range(UPDATES):
            began = _now()
            index = update(
                index,
                artifacts,
                added=[passages[size + number]],
                removed=[passages[number].id],
            )
            times.append(_since(began))
        cpu.append(median(each.cpu for each in times))
        figures[f"update of {size:,}: CPU ms"] = round(1000 * cpu[-1], 1)
        figures[f"update of {size:,}: ms"] = round(1000 * median(each.wall for each in times), 1)
    return figures | {"update of the largest to the smallest": round(cpu[-1] / cpu[0], 2)}


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


def _took(deed: Callable[[], object]) -> Took:
    began = _now()
    deed()
    return _since(began)


def _now() -> Took:
    return Took(cpu=time.process_time(), wall=time.perf_counter())


def _since(began: Took) -> Took:
    now = _now()
    return Took(cpu=now.cpu - began.cpu, wall=now.wall - began.wall)


if __name__ == "__main__":
    typer.run(main)
