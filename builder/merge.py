"""An adapter in; a whole model that anything can run, as a folder of safetensors or one GGUF file with a card, out."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lorekeeper import identity, models
from lorekeeper.artifacts import ArtifactStore, full_disk_is_said
from lorekeeper.domain import Adapter, AdapterKind
from lorekeeper.errors import BadInput

CARD = "README.md"


def merge(adapter: Adapter, data: Path, target: Path, *, gguf: bool = False) -> Path:
    """Write the base with the adapter's weights added to `target`, complete or not at all.

    The sum is computed in float32 and stored in the base's own precision. With `gguf` the folder gets
    `model.gguf` as well, in 16 bits, read back and compared before the folder gets its name.

    Raises:
        BadInput: it is a whole model, the target is there already, the adapter is damaged or of another
            base, the sum is no number, or GGUF is asked for a model of another family.
        NotFound, NotReachable, MissingPart: the adapter's folder or the base model is not there.
        NoSpace: the disk is full.
    """
    from builder import gguf_file

    _refuse_whole(adapter, data)
    target = target.expanduser()
    if target.exists():
        raise BadInput(f"{target} is there already.", fix="Give a folder that is not there yet.")
    artifacts = ArtifactStore(data)
    folder = artifacts.open(adapter.folder)
    base = models.get(adapter.base_model, data)
    about = artifacts.manifest(adapter.folder)
    _refuse_unfit(adapter, artifacts, about, identity.of(base, data))
    if gguf:
        gguf_file.refuse_other(base)
    with _whole(target) as draft:
        into_model(base, folder, draft)
        (draft / CARD).write_text(_card(adapter, about), encoding="utf-8")
        if gguf:
            gguf_file.write(draft, draft / "model.gguf", name=f"lorekeeper {adapter.name}")
    return target


def _refuse_whole(adapter: Adapter, data: Path) -> None:
    if adapter.kind is AdapterKind.MODEL:
        raise BadInput(
            f"{adapter.name} is a whole model, so there is nothing to merge it into.",
            fix=f"Its folder is {data / adapter.folder}; `lore serve --model` runs it.",
        )


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A folder to write into, that gets its name when everything is in it."""
    with full_disk_is_said(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=target.parent))
        try:
            yield draft
            draft.chmod(0o755)
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _refuse_unfit(
    adapter: Adapter, artifacts: ArtifactStore, about: dict[str, Any], base: identity.Identity
) -> None:
    found = [f"{name} is missing or cut off" for name in artifacts.verify(adapter.folder)]
    found += identity.differences(about.get("trained_on", {}), base)
    if found:
        raise BadInput(
            f"{adapter.name} cannot be merged into {adapter.base_model}: {'; '.join(found)}.",
            fix="Restore what it was trained on, or train again.",
        )


def into_model(base: Path, adapter: Path, target: Path) -> None:
    """Write the base with the adapter's weights added, and the tokenizer, into the folder."""
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, use_safetensors=True)
    tuned = PeftModel.from_pretrained(model, str(adapter), use_safetensors=True)
    try:
        merged = tuned.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise BadInput(
            f"The sum of base and adapter is no number: {error}.", fix="Train again."
        ) from error
    kept = AutoConfig.from_pretrained(base).dtype or torch.float32
    merged.to(kept).save_pretrained(target)
    AutoTokenizer.from_pretrained(base).save_pretrained(target)


def _card(adapter: Adapter, about: dict[str, Any]) -> str:
    return "\n".join(
        [
            "---",
            f"base_model: {adapter.base_model}",
            "library_name: transformers",
            "pipeline_tag: text-generation",
            "---",
            f"# {adapter.base_model} with {adapter.name} merged in",
            "",
            f"The adapter {adapter.name} (rank {adapter.rank}, {adapter.hash[:12]}) was trained by "
            f"Lorekeeper's run {adapter.run_id} and is part of these weights. Whatever it was trained "
            "on can come out for anyone who runs them.",
            "",
            *[f"- {reason}" for reason in adapter.verdict.reasons],
            "",
            "The base model's licence holds for this model, too.",
            "",
            "Serve it with `lore serve --model FOLDER`, or with anything that reads this format.",
            "",
            "```json",
            json.dumps({k: v for k, v in about.items() if k != "files"}, indent=2, sort_keys=True),
            "```",
            "",
        ]
    )
