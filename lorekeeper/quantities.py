"""Bytes and seconds in; what people read out."""

from __future__ import annotations

import math


def size(count: float) -> str:
    """`850 MB` below a gibibyte and `6.3 GB` above, by powers of 1,024."""
    if count < 2**30:
        return f"{count / 2**20:.0f} MB"
    return f"{count / 2**30:.1f} GB"


def duration(seconds: float) -> str:
    """`42 s`, `3 min 5 s`, `2 h 10 min`; what has no end is "a while"."""
    if not math.isfinite(seconds):
        return "a while"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
