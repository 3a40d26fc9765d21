"""A job in; the adapter that tuning from feedback starts from, and the model with it, ready to be moved, out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from builder import fit
from builder.job import Job
from builder.recipes import Recipe
from lorekeeper.artifacts import ArtifactStore, write_whole
from lorekeeper.domain import Adapter, AdapterKind
from lorekeeper.errors import BadInput
from lorekeeper.store import adapters, deployments, reading

CHOSEN = "starts-from.json"  # so that a run that goes on starts from what it started from


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An adapter, and the folder that holds it."""

    name: str
    folder: Path

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe with the shape that the adapter has."""
        shape = json.loads((self.folder / "adapter_config.json").read_text(encoding="utf-8"))
        modules = shape["target_modules"]
        return recipe.model_copy(
            update={
                "rank": shape["r"],
                "alpha": shape["lora_alpha"],
                "rslora": bool(shape.get("use_rslora")),
                "target_modules": modules if isinstance(modules, str) else tuple(sorted(modules)),
            }
        )

    def load(self, base: Path, recipe: Recipe) -> Any:
        """The base with this adapter on it; its weights learn."""
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        model = fit.load(base, self.recipe(recipe))
        told = set_peft_model_state_dict(
            model, load_file(str(self.folder / "adapter_model.safetensors"))
        )
        if told.unexpected_keys:
            raise BadInput(
                f"{self.name} has weights that this base model has no place for: {told.unexpected_keys[0]}.",
                fix="Tune another adapter on this base first.",
            )
        return model


def choose(job: Job) -> Start:
    """The adapter that the recipe names; else the one that is served; else the newest of this base.

    Raises:
        NotFound: there is none of that name.
        BadInput: there is none of this base model, or it is a whole model.
    """
    kept = job.work / CHOSEN
    with reading(job.engine) as db:
        if kept.is_file():
            adapter = adapters.by_name(db, json.loads(kept.read_text(encoding="utf-8"))["name"])
        else:
            adapter = chosen(db, job.run.base_model, job.recipe)
    write_whole(kept, json.dumps({"name": adapter.name, "hash": adapter.hash}))
    folder = ArtifactStore(job.settings.store.data).open(adapter.folder)
    return Start(name=adapter.name, folder=folder)


def chosen(db: Connection, base: str, recipe: Recipe) -> Adapter:
    """What a run on this base model starts from, as things are now; raises as `choose` does."""
    if recipe.starts_from:
        adapter = adapters.by_name(db, recipe.starts_from)
        if not _fits(adapter, base):
            raise BadInput(
                f"{adapter.name} is no adapter of {base}.",
                fix="Name one of this base in starts_from, or leave it empty.",
            )
        return adapter
    served = deployments.served(db)
    known = [*adapters.all(db), *([served] if served else [])]
    fitting = [one for one in known if _fits(one, base)]
    if not fitting:
        raise BadInput(
            f"There is no adapter of {base} yet, and feedback moves one that answers already.",
            fix="Tune on the approved pairs first: lore train --recipe qlora.",
        )
    return fitting[-1]


def _fits(adapter: Adapter, base: str) -> bool:
    return adapter.base_model == base and adapter.kind is AdapterKind.ADAPTER
