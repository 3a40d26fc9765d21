"""What tuning from feedback did, in; sentences for people, out. Pure."""

from __future__ import annotations

from statistics import fmean

from lorekeeper.domain import Preference

CHANCE = 0.5  # share of pairs that a coin tells apart


def told(found: Preference) -> list[str]:
    """What was learned from, whether it shows on preferences that were held out, and what to think of it."""
    unit = "pairs of answers" if found.method == "dpo" else "single answers"
    left_out = "; ".join(f"{why} ({count:,})" for why, count in found.left_out.items())
    return [
        f"{found.starts_from} was moved by {found.learned:,} {unit} ({found.method.upper()})."
        + (f" Left out: {left_out}." if left_out else ""),
        *_held_out(found),
        *([found.note] if found.note else []),
    ]


def _held_out(found: Preference) -> list[str]:
    if not found.margins:
        return ["No preference was held out, so nobody knows yet what was learned from them."]
    seen = "" if found.accuracy > CHANCE else " That is no better than chance."
    before, after = fmean(found.preferred_before), fmean(found.preferred_after)
    return [
        f"Of {len(found.margins):,} held-out pairs, it leans to the better answer in {found.accuracy:.0%} "
        f"(by chance {CHANCE:.0%}).{seen} The better answers themselves: {before:.3f} nats per token before, "
        f"{after:.3f} after."
    ]
