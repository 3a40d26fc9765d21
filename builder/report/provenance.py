"""A run in; what is needed to make its adapter again, and to see that it was this one, out."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from builder.recipes import Recipe
from lorekeeper import hardware
from lorekeeper.domain import DatasetVersion, Run
from lorekeeper.identity import Identity

PACKAGES = (
    "torch", "transformers", "peft", "bitsandbytes", "accelerate", "safetensors", "numpy", "lorekeeper",
)  # fmt: skip


def about(
    job: Run, frozen: DatasetVersion, recipe: Recipe, base: Identity, precision: str
) -> dict[str, Any]:
    """The manifest of an adapter. `serving.fit` compares `trained_on` with what it serves."""
    return {
        "run": job.id,
        "requested_by": job.requested_by,
        "base_model": job.base_model,
        "trained_on": asdict(base) | {"quantization": recipe.quantization},
        "dataset": frozen.name,
        "dataset_hash": frozen.hash,
        "recipe_name": job.recipe,
        "options": dict(job.options),
        "recipe": recipe.model_dump(mode="json"),
        "evaluated_in": precision,
        "packages": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "code": code_version(),
        "hardware": list(hardware.gpus()) or [f"{_processor()}, {os.cpu_count()} cores"],
    }


def code_version() -> str:
    """The commit of a checkout, with a mark where files were changed since; else the release."""
    root = Path(__file__).parents[2]
    if (root / ".git").exists():
        asked = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        if asked.returncode == 0:
            return f"commit {asked.stdout.strip()}"
    return f"release {version('lorekeeper')}"


def _processor() -> str:
    found = Path("/proc/cpuinfo")
    if found.is_file():
        for line in found.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
