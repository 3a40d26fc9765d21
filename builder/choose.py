"""Models' names in; how each answers the team's own held-out questions, and which one to take, out.

Nothing is trained: each is asked as it would be served, with what retrieval brings. Likelihood is
counted for each byte of the reference answer, for models cut words into tokens differently (bits per
byte; Gao et al., "The Pile", 2020).
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from builder import dataset, encode, evaluate, recipes, shape
from builder.dataset import Row
from builder.freeze import freeze
from builder.library import Library, open_library
from builder.plan import memory
from builder.plan.memory import Batch, Device
from builder.recipes import Recipe
from builder.scoring import Judged, answer, score
from builder.shape import Shape
from lorekeeper import hardware, models
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Arm
from lorekeeper.errors import BadInput, LorekeeperError
from lorekeeper.paired import paired
from lorekeeper.prompt import Turn
from lorekeeper.quantities import size
from lorekeeper.settings import Settings
from lorekeeper.text import token_f1

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FEWEST = 8  # conversations; with fewer, one odd answer decides
ROOM = 1.2  # times the weights: what a model needs to be run at all
Report = Callable[[str], None]  # what is done now


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model that can be used, and how it did."""

    name: str
    parameters: int
    on_disk: int  # bytes
    licence: str
    bits: tuple[float, ...]  # for each byte of a question's reference answer; less is better
    f1: tuple[float, ...]  # of the answers that it wrote
    answers: tuple[str, ...]
    reads: float  # tokens a second, prompts and answers scored
    writes: float  # tokens a second, answers written together
    serving: int  # bytes: weights, and the context of one conversation
    training: int  # bytes at the peak, by the recipe that is set, with rows as long as it admits

    @property
    def mean_bits(self) -> float:
        return sum(self.bits) / len(self.bits)

    @property
    def mean_f1(self) -> float:
        return sum(self.f1) / len(self.f1) if self.f1 else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All candidates on the same questions, smallest first."""

    questions: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    unusable: Mapping[str, str]  # name to reason
    recommended: str  # name; "" where none can be used
    why: str


def compare(
    engine: Engine,
    settings: Settings,
    names: Sequence[str],
    *,
    by: str,
    report: Report = lambda what: None,
) -> Comparison:
    """Ask every model that `names` (folders, hub ids, `package:NAME`) the newest held-out questions.

    Raises:
        BadInput: no question is held out yet.
    """
    version = freeze(engine, settings, by=by)
    folder = ArtifactStore(settings.store.data).open(version.folder)
    train, heldout = dataset.read_both(folder)
    if not heldout:
        raise BadInput("No question is held out yet.", fix="Approve more answers first.")
    questions = dataset.newest(heldout, settings.train.evaluation_questions)
    report("looking up passages")
    asked = _Asked.of(questions, open_library(engine, settings, train, heldout))
    found, unusable = [], {}
    for name in dict.fromkeys(names):
        report(f"asking {name}")
        try:
            found.append(_candidate(name, asked, settings))
        except LorekeeperError as error:
            unusable[name] = f"{error.what} {error.fix}"
        except (
            OSError,
            ValueError,
            RuntimeError,
        ) as error:  # what transformers raises on bad files
            unusable[name] = f"It cannot be loaded: {str(error).splitlines()[0]}"
        gc.collect()
    smallest_first = tuple(sorted(found, key=lambda one: one.parameters))
    clusters = [row.conversation for row in questions]
    recommended, why = recommend(smallest_first, clusters, settings.train.significance)
    return Comparison(
        questions=tuple(row.question for row in questions),
        candidates=smallest_first,
        unusable=unusable,
        recommended=recommended,
        why=why,
    )


def recommend(
    candidates: Sequence[Candidate], clusters: Sequence[str], significance: float
) -> tuple[str, str]:
    """The smallest that is not significantly worse than the best, and the reason in words. Pure."""
    if not candidates:
        return "", "None of these models can be used."
    smallest_first = sorted(candidates, key=lambda one: one.parameters)
    best = min(smallest_first, key=lambda one: one.mean_bits)
    worse = []
    for one in smallest_first:
        gap = paired(one.bits, best.bits, clusters)
        told = f"{gap.mean:+.3f} bits per byte, 95 % interval {gap.low:+.3f} to {gap.high:+.3f}"
        if one is best or gap.p_higher >= significance:
            break
        worse.append(f"{one.name} is worse ({told})")
    why = f"Take {one.name}, {_count(one.parameters)} parameters: "
    if one is best:
        why += f"the best of {len(smallest_first)} at {best.mean_bits:.3f} bits per byte"
    else:
        why += f"the smallest that is not significantly worse than the best, {best.name} ({told})"
    why += f", on {len(one.bits)} held-out questions."
    if worse:
        why += f" {'; '.join(worse)}."
    if len(set(clusters)) < FEWEST:
        why += f" That is little evidence: with fewer than {FEWEST} conversations, ask again when more are held out."
    return one.name, why


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    prompts: Sequence[Sequence[Turn]]
    references: Sequence[str]

    @classmethod
    def of(cls, questions: Sequence[Row], library: Library) -> _Asked:
        return cls(
            prompts=[evaluate.prompt_for(Arm.RETRIEVAL, row, library) for row in questions],
            references=[row.answer for row in questions],
        )


def _candidate(name: str, asked: _Asked, settings: Settings) -> Candidate:
    folder = models.get(name, settings.store.data)
    built = shape.of(folder)
    serving = _serving(built, settings)
    _refuse_too_large(built, settings)
    judged = _load(folder, settings)
    tokens = [
        encode.example(number, prompt, reference, judged.tokenizer)
        for number, (prompt, reference) in enumerate(
            zip(asked.prompts, asked.references, strict=True)
        )
    ]
    began = time.monotonic()
    nats = score(judged, asked.prompts, asked.references)
    read = time.monotonic() - began
    answers, writes = _write(judged, asked, settings)
    bits = [
        loss * row.learned / math.log(2) / len(reference.strip().encode())
        for loss, row, reference in zip(nats, tokens, asked.references, strict=True)
    ]
    return Candidate(
        name=name,
        parameters=built.parameters,
        on_disk=sum(file.stat().st_size for file in folder.rglob("*.safetensors")),
        licence=licence(name, folder),
        bits=tuple(bits),
        f1=tuple(map(token_f1, answers, asked.references)),
        answers=tuple(answers),
        reads=sum(len(row.input_ids) for row in tokens) / read,
        writes=writes,
        serving=serving,
        training=_training(built, settings),
    )


def licence(name: str, folder: Path) -> str:
    """What the model's card, its package, or its licence file says; `not stated` where nothing does."""
    from importlib.metadata import PackageNotFoundError, metadata

    card = folder / "README.md"
    if card.is_file():
        for line in card.read_text(encoding="utf-8", errors="replace").splitlines()[:60]:
            if line.startswith("license:"):
                return line.partition(":")[2].strip()
    if name.startswith(models.PACKAGE):
        try:
            about = metadata(name.removeprefix(models.PACKAGE)).json
        except PackageNotFoundError:
            return "not stated"
        return str(about.get("license_expression") or about.get("license") or "not stated")
    for file in sorted(folder.glob("LICENSE*")):
        return file.read_text(encoding="utf-8", errors="replace").strip().partition("\n")[0].strip()
    return "not stated"


def _load(folder: Path, settings: Settings) -> Judged:
    """As it is served, without an adapter."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    encode.prompt_ids(
        [{"role": "user", "content": "?"}], tokenizer
    )  # refuses one without a template
    precision = models.served_precision(settings)
    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, precision), use_safetensors=True
    )
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    return Judged(
        model=model,
        tokenizer=tokenizer,
        precision=precision,
        max_tokens=settings.serving.max_tokens,
    )


def _write(judged: Judged, asked: _Asked, settings: Settings) -> tuple[list[str], float]:
    """Answers to the first questions, and tokens a second over all of them together."""
    prompts = asked.prompts[: settings.train.generated_answers]
    if not prompts:
        return [], math.nan
    answer(replace(judged, max_tokens=1), prompts[:1])  # the first pass warms up
    began = time.monotonic()
    answers = answer(judged, prompts)
    took = time.monotonic() - began
    written = sum(len(judged.tokenizer(text)["input_ids"]) for text in answers)
    return answers, written / took


def _refuse_too_large(built: Shape, settings: Settings) -> None:
    free = hardware.free_gpu_memory()[0] if hardware.gpus() else hardware.free_memory()
    wanted = round(ROOM * _bytes(settings) * built.parameters)
    if free is not None and wanted > free:
        raise BadInput(
            f"It has {_count(built.parameters)} parameters and needs about {size(wanted)}; {size(free)} are free.",
            fix="Free memory, or compare it on a larger machine.",
        )


def _serving(built: Shape, settings: Settings) -> int:
    """Weights, and keys and values of one conversation as long as is served."""
    cache = 2 * built.layers * built.keys * settings.serving.context_tokens
    return _bytes(settings) * (built.parameters + cache)


def _training(built: Shape, settings: Settings) -> int:
    recipe: Recipe = recipes.load(settings.train.recipe, {}, data=settings.store.data)
    batch = Batch(
        tokens=recipe.batch_size * recipe.max_tokens,
        learned=recipe.batch_size * settings.serving.max_tokens,
    )
    gpu = bool(hardware.gpus())
    bfloat16 = gpu or hardware.cpu_computes_bfloat16()
    device = Device(gpu=gpu, compute_bytes=2 if bfloat16 else 4, free=None)
    return sum(memory.training(built, recipe, batch, device).values())


def _bytes(settings: Settings) -> int:
    """Of one number at the precision that is served."""
    return 4 if models.served_precision(settings) == "float32" else 2


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"
