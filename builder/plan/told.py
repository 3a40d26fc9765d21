"""A plan in; its lines for people, in the terminal and in Slack alike, out. Pure."""

from __future__ import annotations

from lorekeeper.domain import Plan
from lorekeeper.quantities import duration, size


def told(plan: Plan) -> list[tuple[str, str]]:
    """Each as a name and what there is to say, the most important first."""
    lines = [
        ("Time", _time(plan)),
        ("Memory", _memory(plan)),
        ("Disk", f"{size(plan.disk)} of checkpoints; {size(plan.disk_free)} are free"),
        ("Rows", _rows(plan)),
        ("Steps", f"{plan.steps:,} on {plan.device}"),
    ]
    if plan.left_out:
        lines.append(("Left out", _left_out(plan)))
    if plan.chosen:
        lines.append(("Chosen", "\n".join(plan.chosen)))
    return lines


def _time(plan: Plan) -> str:
    if not plan.probed:
        return "not measured (LORE_TRAIN__PROBE=false)"
    parts = [f"{name} {duration(part)}" for name, part in plan.seconds.items() if part >= 1]
    parts.append(f"measured on {plan.probed} steps")
    return f"about {duration(plan.duration)} ({', '.join(parts)})"


def _memory(plan: Plan) -> str:
    parts = ", ".join(f"{name} {size(part)}" for name, part in plan.memory.items())
    free = "" if plan.memory_free is None else f"; {size(plan.memory_free)} are free"
    return f"{size(plan.peak)} at the peak ({parts}){free}"


def _rows(plan: Plan) -> str:
    low, first, middle, third, high = plan.lengths
    return (
        f"{plan.rows:,}, with {plan.prompt_tokens:,} prompt tokens and {plan.answer_tokens:,} answer "
        f"tokens; {low:,} to {high:,} a row, half of them {first:,} to {third:,}, the median {middle:,}"
    )


def _left_out(plan: Plan) -> str:
    more = plan.left_out - len(plan.left_out_why)
    named = "\n".join(plan.left_out_why)
    rows = "1 row is" if plan.left_out == 1 else f"{plan.left_out:,} rows are"
    return f"{rows} too long:\n{named}" + (f"\nand {more:,} more" if more else "")
