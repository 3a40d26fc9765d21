"""Folders that are complete or absent: a writer fills a temporary folder, the store names it by its content."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lorekeeper.errors import BadInput, NoSpace, NotFound

MANIFEST = "manifest.json"


class ArtifactStore:
    """Immutable folders below `root/KIND/HASH`, each with a manifest that was written last."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def write(self, kind: str, about: Mapping[str, Any] | None = None) -> Iterator[Draft]:
        """Fill `draft.path`; on success the folder gets its name and `draft.folder` says which.

        Raises:
            NoSpace: the disk is full. Whatever was half written is removed, whoever raised.
        """
        with full_disk_is_said(self.root):
            (self.root / kind).mkdir(parents=True, exist_ok=True)
            draft = Draft(Path(tempfile.mkdtemp(prefix=".draft-", dir=self.root / kind)))
        try:
            with full_disk_is_said(self.root):
                yield draft
                draft._finish(self.root, kind, dict(about or {}))
        finally:
            shutil.rmtree(draft.path, ignore_errors=True)

    def open(self, folder: str) -> Path:
        """The path of a finished folder.

        Raises:
            NotFound: no such folder, or its manifest is missing.
            BadInput: the name leads out of the store.
        """
        path = (self.root / folder).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise BadInput(
                f"{folder!r} is not inside the artifact store.", fix="Use a name that it gave."
            )
        if not (path / MANIFEST).is_file():
            raise NotFound(
                f"The artifact {folder} is not in {self.root}, or is not complete.",
                fix="Restore it from a backup, or make it again.",
            )
        return path

    def manifest(self, folder: str) -> dict[str, Any]:
        """What was written about the folder, with the size and SHA-256 of each of its files."""
        loaded: dict[str, Any] = json.loads((self.open(folder) / MANIFEST).read_text())
        return loaded

    def verify(self, folder: str) -> list[str]:
        """Names of files that are missing or differ from the manifest."""
        path, files = self.open(folder), self.manifest(folder)["files"]
        return [
            name
            for name, about in files.items()
            if not (path / name).is_file() or _sha256(path / name) != about["sha256"]
        ]


class Draft:
    """A folder that is being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hash = ""
        self.folder = ""

    def _finish(self, root: Path, kind: str, about: dict[str, Any]) -> None:
        files = {
            str(file.relative_to(self.path)): {
                "bytes": file.stat().st_size,
                "sha256": _sha256(file),
            }
            for file in sorted(self.path.rglob("*"))
            if file.is_file()
        }
        identity = json.dumps(
            {name: entry["sha256"] for name, entry in files.items()}, sort_keys=True
        )
        self.hash = hashlib.sha256(identity.encode()).hexdigest()
        self.folder = f"{kind}/{self.hash[:16]}"
        target = root / self.folder
        if (target / MANIFEST).is_file():
            return  # the same content is there already
        shutil.rmtree(target, ignore_errors=True)
        write_whole(
            self.path / MANIFEST,
            json.dumps({**about, "hash": self.hash, "files": files}, indent=2, sort_keys=True),
        )
        self.path.chmod(0o755)
        self.path.rename(target)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader finds all of it or the one before."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=".draft-", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)


@contextmanager
def full_disk_is_said(root: Path) -> Iterator[None]:
    """Turn the operating system's "no space left" into an error that a person can act on."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise NoSpace(
            f"The disk that holds {root} is full.",
            fix="Free some space, or set LORE_STORE__DATA to another disk, and try again. Nothing was lost.",
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
