"""What a run has trained in; it and its base, to be asked side by side at the precision that is served, out.

The base of an adapter is the same weights with the adapter switched off. A model that was trained whole
is compared with a second one; training it has taken far more memory than the two do.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Engine

from builder import evaluate
from builder.dataset import Row
from builder.library import Library
from builder.scoring import Judged, load_base, load_judged, load_served, wearing
from builder.weights import ADAPTER, MODEL
from lorekeeper import identity
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Adapter, AdapterKind, Arm
from lorekeeper.errors import BadInput
from lorekeeper.settings import Settings
from lorekeeper.store import deployments, reading

log = structlog.get_logger(__name__)


class Whole:
    """A model that was trained whole, with its base; asked as an adapter is that can be switched off."""

    def __init__(self, base: Any, tuned: Any) -> None:
        self.base = base
        self._tuned = tuned
        self._asked = tuned

    def __getattr__(self, name: str) -> Any:
        return getattr(self._asked, name)

    def __call__(self, **inputs: Any) -> Any:
        return self._asked(**inputs)

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """While this is open, the base is asked."""
        self._asked = self.base
        try:
            yield
        finally:
            self._asked = self._tuned


def kind_of(work: Path) -> AdapterKind:
    """What the run in this folder has made."""
    return AdapterKind.MODEL if (work / MODEL).is_dir() else AdapterKind.ADAPTER


def judged(base: Path, work: Path, settings: Settings) -> Judged:
    """The base as it is served, never quantised for this, with what was trained.

    Raises:
        BadInput: what was trained changes nothing.
    """
    if kind_of(work) is AdapterKind.ADAPTER:
        tuned = load_judged(base, work / ADAPTER, settings)
        _refuse_idle(tuned.model)
        return tuned
    before = load_base(base, settings)
    trained = load_served(work / MODEL, before.precision)
    _refuse_same(before.model, trained)
    return replace(before, model=Whole(before.model, trained))


def loss_of_served(
    engine: Engine,
    settings: Settings,
    asked: Judged,
    base: Path,
    base_model: str,
    library: Library,
    questions: Sequence[Row],
) -> Sequence[float] | None:
    """Nats per token of what is served now, with retrieval, on the same questions.

    None where that is the base, or was trained on another one, and so is not served beside this one.
    """
    artifacts = ArtifactStore(settings.store.data)
    with reading(engine) as db:
        served = deployments.served(db)
    if served is None or served.base_model != base_model:
        return None
    about = artifacts.manifest(served.folder).get("trained_on", {})
    changed = identity.differences(about, identity.of(base, settings.store.data))
    if changed:
        log.warning("what is served now is left out of the comparison", adapter=served.name, because=changed)  # fmt: skip
        return None
    with _as_served(asked, served, artifacts.open(served.folder)) as rival:
        return evaluate.losses(rival, Arm.TUNED_RETRIEVAL, questions, library)


def copy(work: Path, target: Path) -> None:
    """Only what an engine needs, and only safetensors."""
    if kind_of(work) is AdapterKind.MODEL:
        shutil.copytree(work / MODEL, target, dirs_exist_ok=True)
        return
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copyfile(work / ADAPTER / name, target / name)


@contextmanager
def _as_served(asked: Judged, served: Adapter, folder: Path) -> Iterator[Judged]:
    """The same, with what is served in the place of what was trained; the weights of the base are used again."""
    from peft import PeftModel

    model = asked.model
    if served.kind is AdapterKind.MODEL:
        yield replace(asked, model=load_served(folder, asked.precision))
    elif isinstance(model, Whole):
        beside = PeftModel.from_pretrained(model.base, folder, adapter_name="served").eval()
        try:
            yield replace(asked, model=beside)
        finally:
            beside.unload()
    else:
        with wearing(asked, folder):
            yield asked


def _refuse_idle(model: Any) -> None:
    """An adapter whose second matrices are all zero changes no answer."""
    if not any(
        bool(weights.any()) for name, weights in model.named_parameters() if "lora_B" in name
    ):
        raise BadInput(
            "The adapter does nothing: its weights are still those that it began with.",
            fix="Train for more steps, or with a larger learning_rate. Nothing was registered.",
        )


def _refuse_same(base: Any, tuned: Any) -> None:
    """Stored in 16 bits, steps that were too small are rounded away."""
    before = base.state_dict()
    if all(bool((value == before[name]).all()) for name, value in tuned.state_dict().items()):
        raise BadInput(
            "The model is still its base: no weight has changed by as much as its precision shows.",
            fix="Train for more steps, or with a larger learning_rate. Nothing was registered.",
        )
