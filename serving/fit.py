"""An adapter's folder and what is served in; nothing out, or a refusal that names the difference. No torch, no engine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorekeeper import identity, models
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Adapter
from lorekeeper.errors import BadInput
from lorekeeper.identity import Identity
from serving import memory

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
OUTSIDE = {"embed_tokens", "lm_head"}  # modules on which vLLM serves no adapter
_RETRAIN = "Train again on what is served, or set LORE_MODELS__BASE back."


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What the engine runs: the base by name and by content, and the largest rank that it takes."""

    name: str
    identity: Identity | None = None  # unknown of an engine elsewhere whose model is not here
    max_rank: int


def refuse(adapter: Adapter, artifacts: ArtifactStore, base: Base) -> Path:
    """The adapter's folder, when it fits what is served and every engine can load it.

    Raises:
        NotFound: the folder is not there, or was never finished.
        BadInput: it is damaged, was trained on something else, or has a shape that vLLM refuses.
    """
    if adapter.base_model != base.name:
        raise BadInput(
            f"{adapter.name} was trained on {adapter.base_model}, and {base.name} is served.",
            fix=_RETRAIN,
        )
    folder = artifacts.open(adapter.folder)
    _refuse_damaged(adapter, artifacts)
    if base.identity is not None:
        _refuse_another(adapter, artifacts.manifest(adapter.folder), base.identity)
    _refuse_unservable(adapter, _config(adapter, folder), base.max_rank)
    _refuse_weights(adapter, folder)
    return folder


def whole(model: Adapter, artifacts: ArtifactStore) -> Path:
    """The folder of a model that was trained as a whole, when every engine can run it.

    Raises:
        NotFound: the folder is not there, or was never finished.
        BadInput: it is damaged, or holds no model.
    """
    folder = artifacts.open(model.folder)
    _refuse_damaged(model, artifacts)
    return models.get(str(folder), artifacts.root)


def _refuse_damaged(adapter: Adapter, artifacts: ArtifactStore) -> None:
    if damaged := artifacts.verify(adapter.folder):
        raise BadInput(
            f"{adapter.name} is damaged: {', '.join(damaged)} in {adapter.folder} is missing or cut off.",
            fix="Restore the folder from a backup, or train again.",
        )


def _refuse_another(adapter: Adapter, manifest: dict[str, Any], served: Identity) -> None:
    if found := identity.differences(manifest.get("trained_on", {}), served):
        raise BadInput(
            f"{adapter.name} was trained on something else: {'; '.join(found)}.", fix=_RETRAIN
        )


def _config(adapter: Adapter, folder: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{adapter.name} is no adapter: {CONFIG} cannot be read ({error}).", fix="Train again."
        ) from error
    return told


def _refuse_unservable(adapter: Adapter, config: dict[str, Any], max_rank: int) -> None:
    """vLLM's rules for LoRA, which hold for both engines: what one serves, the other does, too."""
    kind = config.get("peft_type", "LORA")
    rank = max([config["r"], *(config.get("rank_pattern") or {}).values()])
    targets = config.get("target_modules") or ()
    outside = OUTSIDE & ({targets} if isinstance(targets, str) else set(targets))
    reasons = {
        f"it is a {kind} adapter, and only LORA is served": kind != "LORA",
        f"its rank is {rank}, and the engine takes {max_rank} (LORE_SERVING__MAX_LORA_RANK)": rank
        > max_rank,
        "it is a DoRA adapter (use_dora)": bool(config.get("use_dora")),
        f"it has whole modules beside it (modules_to_save: {config.get('modules_to_save')})": bool(
            config.get("modules_to_save")
        ),
        f"it trains biases (bias: {config.get('bias')})": config.get("bias", "none") != "none",
        f"it changes {', '.join(sorted(outside))}": bool(outside),
    }
    if found := [reason for reason, holds in reasons.items() if holds]:
        raise BadInput(
            f"{adapter.name} cannot be served by vLLM: {'; '.join(found)}.",
            fix="Train again with a recipe that serves, such as `qlora`, or raise what is too low.",
        )


def _refuse_weights(adapter: Adapter, folder: Path) -> None:
    try:
        memory.header(folder / WEIGHTS)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(
            f"{adapter.name} has no weights that can be read: {error}.",
            fix="Restore the folder from a backup, or train again.",
        ) from error
