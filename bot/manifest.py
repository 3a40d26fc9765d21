"""Nothing in; the app's manifest, as admins give it to Slack and the playground installs it, out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_PLACES = (_HERE / "manifest.json", _HERE.parent / "manifest.json")  # a wheel's, a checkout's


def read() -> dict[str, Any]:
    """The manifest, parsed."""
    path = next(place for place in _PLACES if place.is_file())
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told
