"""What a run needs and what there is in; nothing, or a refusal that names the largest setting that fits, out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from builder.plan.memory import Needs
from builder.recipes import Recipe
from lorekeeper.errors import BadInput, NoSpace
from lorekeeper.quantities import size

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # those that vLLM's kernels know
TOKENS_STEP = 64  # a max_tokens that is proposed is a multiple of this
SHARES = (2, 4, 8, 16, 32, 64)  # GPUs that a base may be shared out among


Need = Callable[[Recipe], int]  # bytes that a recipe takes


def refuse_memory(recipe: Recipe, needs: Needs, *, longest: int) -> None:
    """Raises BadInput where the recipe needs more memory than is free."""
    wanted, free = needs(recipe), needs.device.free
    if free is None or wanted <= free:
        return
    parts = ", ".join(f"{name} {size(part)}" for name, part in needs.parts(recipe).items())
    fix = _fix(largest(recipe, free, needs, longest=longest), "a smaller base model")
    raise BadInput(
        f"The run needs about {size(wanted)} of memory at its peak, and {size(free)} are free ({parts}).",
        fix=" ".join(filter(None, (fix, _shared_out(recipe, needs, free)))),
    )


def refuse_loading(wanted: int, free: int | None) -> None:
    """Raises BadInput where main memory does not hold a base before it is shared out."""
    if free is not None and wanted > free:
        raise BadInput(
            f"The base is read in main memory before it is shared out, which takes about {size(wanted)}, and {size(free)} are free.",
            fix="Run the first process on a machine with more main memory, or take a smaller base model.",
        )


def refuse_disk(recipe: Recipe, wanted: int, free: int) -> None:
    """Raises NoSpace where checkpoints and result would not fit on the disk. They grow with the rank."""
    if wanted <= free:
        return
    fits = [rank for rank in RANKS if rank < recipe.rank and wanted * rank / recipe.rank <= free]
    smaller = [f"rank={fits[-1]}"] if fits and recipe.trains == "adapter" else []
    raise NoSpace(
        f"The run writes about {size(wanted)} of checkpoints, and {size(free)} are free on the disk.",
        fix=_fix(smaller, "a disk with more room (LORE_STORE__DATA)"),
    )


def largest(recipe: Recipe, free: int, needs: Need, *, longest: int) -> list[str]:
    """Settings, as `name=value`, each of which alone makes the run fit into `free` bytes.

    Where no single one is enough: the smallest run, as several, with the longest rows that fit into
    it; nothing where not even that fits. `longest` is the longest row that there is.
    """
    adapter = recipe.trains == "adapter"
    alone = [
        _batch(recipe, free, needs),
        _tokens(recipe, free, needs, longest),
        _rank(recipe, free, needs) if adapter else "",
        _changed(recipe, free, needs, quantization="nf4") if adapter else "",
    ]
    if any(alone):
        return [change for change in alone if change]
    smallest: dict[str, object] = {"batch_size": 1}
    if adapter:
        smallest |= {"rank": RANKS[1], "quantization": "nf4"}
    least = recipe.model_copy(update=smallest)
    together = _changed(recipe, free, needs, **smallest)
    shorter = "" if together else _tokens(least, free, needs, longest)
    if shorter:
        together = " ".join([*(f"{name}={value}" for name, value in smallest.items()), shorter])
    return [together] if together else []


def _shared_out(recipe: Recipe, needs: Needs, free: int) -> str:
    """How many such GPUs hold the run together; "" where that is no help, or none is known to be there."""
    if not needs.device.gpu or recipe.trains != "adapter":
        return ""
    for shares in SHARES:
        spread = replace(needs, device=replace(needs.device, shares=shares))
        if shares > needs.device.shares and spread(recipe) <= free:
            return f"As it is, it fits {shares} such GPUs that share the base out: LORE_LAUNCH__SHARDED=true, with LORE_LAUNCH__PROCESSES times LORE_LAUNCH__NODES at {shares}."
    return ""


def _fix(changes: list[str], otherwise: str) -> str:
    if not changes:
        return f"No setting is small enough: take {otherwise}."
    return f"The largest that fits: {', or '.join(changes)}."


def _batch(recipe: Recipe, free: int, needs: Need) -> str:
    """The rows of a step stay as many: what is not computed at once is accumulated."""
    rows = recipe.batch_size * recipe.accumulation
    sizes = (size for size in range(recipe.batch_size - 1, 0, -1) if not rows % size)
    return _first(
        _changed(recipe, free, needs, batch_size=size, accumulation=rows // size) for size in sizes
    )


def _tokens(recipe: Recipe, free: int, needs: Need, longest: int) -> str:
    most = (min(recipe.max_tokens, longest) - 1) // TOKENS_STEP * TOKENS_STEP
    sizes = range(most, TOKENS_STEP - 1, -TOKENS_STEP)
    return _first(_changed(recipe, free, needs, max_tokens=size) for size in sizes)


def _rank(recipe: Recipe, free: int, needs: Need) -> str:
    ranks = [rank for rank in reversed(RANKS) if rank < recipe.rank]
    return _first(_changed(recipe, free, needs, rank=rank) for rank in ranks)


def _changed(recipe: Recipe, free: int, needs: Need, **change: object) -> str:
    """The change as it is typed; "" where it changes nothing or is not enough."""
    changed = recipe.model_copy(update=change)
    if changed == recipe or needs(changed) > free:
        return ""
    return " ".join(f"{name}={value}" for name, value in change.items())


def _first(changes: Iterator[str]) -> str:
    return next((change for change in changes if change), "")
