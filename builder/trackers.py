"""Names of experiment trackers in; a refusal in words where one is not installed, out. Loads none of them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from lorekeeper.errors import MissingPart


def refuse_missing(trackers: Sequence[str]) -> None:
    """Raises MissingPart: a tracker is not installed; says how to install it."""
    for name in trackers:
        if find_spec(name) is None:
            raise MissingPart(
                f"Runs are to be tracked with {name}, and it is not installed here.",
                fix=f"pip install {name}, or take it out of LORE_TRAIN__TRACKERS.",
            )
