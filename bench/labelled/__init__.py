"""A seed in; chat texts with what must not survive in them, and texts that must survive, out.

Every value is made when it is asked for, from the format that its issuer documents, so that no
secret, nor anything that looks like one, stands in the repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from bench.labelled.credentials import CREDENTIALS
from bench.labelled.keys import KEYS
from bench.labelled.negatives import NEGATIVES
from bench.labelled.personal import PERSONAL
from bench.labelled.surroundings import surrounded

SECRETS = KEYS | CREDENTIALS
"""By the name of the format: what makes (what is written, the part of it that is secret)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A text, and what must not be in it any more; `hidden` is empty where all of it must stay."""

    kind: str
    name: str
    text: str
    hidden: str


def positives(count: int, seed: int = 0) -> Iterator[Sample]:
    """`count` texts for each format of secrets and for each way of writing personal data."""
    for kind, makers in (("secret", SECRETS), *PERSONAL.items()):
        for name, make in makers.items():
            chance = Random(f"{seed} {name}")
            for number in range(count):
                written, hidden = make(chance)
                text = surrounded(chance, written, number)
                yield Sample(kind=kind, name=name, text=text, hidden=hidden)


def negatives(count: int, seed: int = 0) -> Iterator[Sample]:
    """`count` texts for each sort of harmless text that looks like something to remove."""
    for name, make in NEGATIVES.items():
        chance = Random(f"{seed} {name}")
        for number in range(count):
            text = surrounded(chance, make(chance), number)
            yield Sample(kind="none", name=name, text=text, hidden="")


def survives(sample: Sample, text: str) -> bool:
    """Whether the value, or half of a long secret, can still be read."""
    hidden, half = sample.hidden, len(sample.hidden) // 2
    long = sample.kind == "secret" and len(hidden) >= 16
    return any(part in text for part in ((hidden[:half], hidden[half:]) if long else (hidden,)))
