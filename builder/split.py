"""Pairs and what was on which side before in, the pairs to train on and the pairs to judge by out.

A conversation is never split, and stays on its side for ever: a question that an earlier adapter
was judged by is never trained on, so versions stay comparable. By time, the newest conversations of
each version are held out, which judges an adapter by what it could not know yet, and costs that these
are never learned; random is the default for that reason.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from builder.dataset import Row
from builder.duplicates import groups
from lorekeeper.domain import Pair, said_at
from lorekeeper.errors import BadInput
from lorekeeper.store.datasets import HELDOUT

FEWEST = 5  # conversations to validate on


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    train: tuple[Pair, ...]
    heldout: tuple[Pair, ...]


def split(
    pairs: Sequence[Pair], *, share: float, known: Mapping[str, str], by: str = "random"
) -> Split:
    """Put each group of pairs on one side, about `share` of the pairs on the held-out one.

    New groups are held out at `random`, or `by` "time" the newest first. `known` is the side of each conversation in earlier versions. Where near-duplicates join
    conversations of both sides, all of them are held out: what judges must not be learned.

    Raises:
        BadInput: all pairs belong together, so that nothing can be held out.
    """
    parts = groups(pairs)
    if len(parts) < 2:
        raise BadInput(
            f"Too few approved pairs to hold some out ({len(pairs)}): those of one conversation, or that say nearly the same, stay together.",
            fix="Approve answers from other conversations too: some must be held out to judge by.",
        )
    held = [part for part in parts if HELDOUT in _sides(part, known)]
    new = [part for part in parts if not _sides(part, known)]
    new.sort(key=_newest_first if by == "time" else _place)
    held += _choose(new, wanted=share * len(pairs) - sum(map(len, held)), need=not held)
    held_ids = {pair.id for part in held for pair in part}
    made = Split(
        train=tuple(pair for pair in pairs if pair.id not in held_ids),
        heldout=tuple(pair for pair in pairs if pair.id in held_ids),
    )
    check(made)
    return made


def for_validation(rows: Sequence[Row], *, share: float, seed: int) -> frozenset[int]:
    """Ids of the pairs whose conversations are kept out of training to see when it only memorises.

    None where these would be fewer than `FEWEST` conversations: their loss would be noise.
    """
    held = groups_for_validation([row.conversation for row in rows], share=share, seed=seed)
    return frozenset(row.pair_id for row in rows if row.conversation in held)


def groups_for_validation(names: Iterable[str], *, share: float, seed: int) -> frozenset[str]:
    """Some of the groups that rows belong to; none where these would be too few to tell anything."""
    known = sorted(set(names))
    count = round(share * len(known))
    if count < FEWEST:
        return frozenset()
    return frozenset(random.Random(seed).sample(known, count))  # noqa: S311 - no secret


def check(made: Split) -> None:
    """Refuse a split that would judge an adapter by what it was trained on.

    Raises:
        BadInput: one side is empty, or a conversation or a near-duplicate is on both sides.
    """
    if not made.train or not made.heldout:
        raise BadInput(
            f"{len(made.train)} pairs would be trained on and {len(made.heldout)} held out.",
            fix="Approve answers from more conversations, or change LORE_TRAIN__HELDOUT.",
        )
    held = {pair.id for pair in made.heldout}
    for part in groups([*made.train, *made.heldout]):
        inside = [pair.id for pair in part if pair.id in held]
        if inside and len(inside) < len(part):
            outside = next(pair.id for pair in part if pair.id not in held)
            raise BadInput(
                f"Pair {outside} would be trained on and says nearly the same as the held-out pair {inside[0]}.",
                fix="Retire one of the two, or report this as a defect of the split.",
            )


def _sides(part: Sequence[Pair], known: Mapping[str, str]) -> set[str]:
    return {known[pair.conversation] for pair in part if pair.conversation in known}


def _choose(new: Sequence[list[Pair]], *, wanted: float, need: bool) -> list[list[Pair]]:
    """Groups in their order, as long as they bring the share closer; one at least if needed."""
    chosen: list[list[Pair]] = []
    for part in new:
        if len(part) <= 2 * wanted:
            chosen.append(part)
            wanted -= len(part)
    if need and not chosen and new:
        chosen = [min(new, key=len)]
    return chosen


def _newest_first(part: Sequence[Pair]) -> tuple[float, str]:
    """A conversation is as new as its newest answer, however late that was saved."""
    return -max(said_at(pair) for pair in part), _place(part)


def _place(part: Sequence[Pair]) -> str:
    """A conversation's place in the queue for the held-out side: random, and the same everywhere."""
    return min(
        hashlib.sha256(f"heldout\0{pair.conversation}".encode()).hexdigest() for pair in part
    )
