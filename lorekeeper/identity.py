"""A model's folder in; what it is by content, whatever it is called and wherever it lies, out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lorekeeper.artifacts import write_whole

_VOCABULARY = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt")
_NOT_CONTENT = ("_name_or_path", "transformers_version")  # of config.json: they change no number


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """SHA-256 of what a model computes with, of how a conversation is written for it, and of its tokens."""

    base: str
    chat_template: str
    tokenizer: str

    @property
    def short(self) -> str:
        """One name for all three, for a folder."""
        return _joined((self.base, self.chat_template, self.tokenizer))[:16]


def of(folder: Path, data: Path) -> Identity:
    """Hash the folder once; the result is kept in `data` until one of its files changes."""
    folder = folder.resolve()
    stamp = _stamp(folder)
    kept = data / "models" / f"identity-{_sha256(str(folder).encode())[:16]}.json"
    if kept.is_file():
        known = json.loads(kept.read_text(encoding="utf-8"))
        if known["stamp"] == stamp:
            return Identity(**known["identity"])
    found = Identity(
        base=_base(folder), chat_template=_chat_template(folder), tokenizer=_tokenizer(folder)
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_whole(kept, json.dumps({"stamp": stamp, "identity": asdict(found)}))
    return found


def differences(trained: Mapping[str, Any], served: Identity) -> list[str]:
    """What differs between what an adapter was trained on, as its manifest tells, and what is served.

    An adapter of before manifests told has nothing to compare, and no difference.
    """
    names = {
        "base": "the base model's weights",
        "chat_template": "the chat template",
        "tokenizer": "the tokenizer",
    }
    return [
        f"{called} ({trained[name][:12]} in training, {now[:12]} now)"
        for name, called in names.items()
        if trained.get(name) and trained[name] != (now := getattr(served, name))
    ]


def _stamp(folder: Path) -> list[list[Any]]:
    """Names, sizes and times: what tells that no file was changed, without reading any."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]


def _base(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    told = {name: value for name, value in config.items() if name not in _NOT_CONTENT}
    weights = sorted(folder.glob("*.safetensors"))
    return _joined([json.dumps(told, sort_keys=True), *(_of_file(path) for path in weights)])


def _chat_template(folder: Path) -> str:
    alone = folder / "chat_template.jinja"
    if alone.is_file():
        return _of_file(alone)
    beside = folder / "tokenizer_config.json"
    told = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    return _sha256(json.dumps(told.get("chat_template")).encode())


def _tokenizer(folder: Path) -> str:
    present = [folder / name for name in _VOCABULARY if (folder / name).is_file()]
    return _joined(_of_file(path) for path in present)


def _joined(parts: Iterable[str]) -> str:
    return _sha256("\n".join(parts).encode())


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
