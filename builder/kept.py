"""What was worked out once in; the same again without working, out: a folder of small JSON files.

A value is kept under the hash of everything that it depends on, and written whole. So what a killed
evaluation had finished is not done again, and what has changed since is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lorekeeper.artifacts import write_whole
from lorekeeper.store.rows import plain, revive

T = TypeVar("T")


class Kept:
    """Values in a folder; in none, everything is worked out each time."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def value(self, kind: type[T], name: str, of: Any, work_out: Callable[[], T]) -> T:
        """The value of this `kind`, a data class, that was worked out from the same `of`, or is now."""
        if self._folder is None:
            return work_out()
        stamp = hashlib.sha256(json.dumps(plain(of), sort_keys=True).encode()).hexdigest()
        file = self._folder / f"{name}-{stamp[:16]}.json"
        if file.is_file():
            return revive(kind, json.loads(file.read_text(encoding="utf-8")))
        found = work_out()
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(plain(found)))
        return found
