"""Generated answers with their references and passages in; every measure of every answer, by name, out.

| Name | What it is |
|---|---|
| `rouge_l` | F-measure of the longest common subsequence of words (Lin 2004), by rouge-score |
| `similarity` | cosine of answer and reference in the index's embedder, -1 to 1 |
| `grounded` | share of sentences that a passage supports; 1 where nothing is claimed |
| `numbers` | share of the model's own numbers that name a passage which supports their sentence; 1 where it writes none |
| `declined` | 1 where it says that it does not know |
| `length` | words of the answer for each word of the reference |
| `stopped` | 1 where it ended by itself |
| `repeated` | share of runs of four words that stood in the answer before |
| `seconds` | of its batch, divided among the batch's answers |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from builder.measures.declines import declines
from builder.scoring import Written
from builder.tasks.metrics import rouge_l
from lorekeeper.domain import Passage
from lorekeeper.support import claims, supporting
from lorekeeper.text import sentences, words

if TYPE_CHECKING:
    from retrieval.embed import Embedder

RUN = 4  # words
_NUMBER = re.compile(r"\[(\d{1,3})\](?!\()")


def measure(
    written: Sequence[Written],
    references: Sequence[str],
    passages: Sequence[Sequence[Passage]],
    embedder: Embedder,
) -> dict[str, tuple[float, ...]]:
    """One value for each answer under each name; what needs passages is measured where any answer had some."""
    told = [one.text for one in written]
    found = {
        "rouge_l": [rouge_l(said, wanted) for said, wanted in zip(told, references, strict=True)],
        "similarity": _similarity(told, references, embedder),
        "declined": [float(declines(said)) for said in told],
        "length": [
            len(words(said)) / max(1, len(words(wanted)))
            for said, wanted in zip(told, references, strict=True)
        ],
        "stopped": [float(one.stopped) for one in written],
        "repeated": [repeated(said) for said in told],
        "seconds": [one.seconds for one in written],
    }
    if any(passages):
        shown = list(zip(told, passages, strict=True))
        found["grounded"] = [grounded(said, given) for said, given in shown]
        found["numbers"] = [numbers_right(said, given) for said, given in shown]
    return {name: tuple(values) for name, values in found.items()}


def grounded(answer: str, passages: Sequence[Passage]) -> float:
    """The share of the sentences that claim something for which a passage speaks."""
    said = [part for part in sentences(answer) if claims(part)]
    if not said:
        return 1.0
    return sum(supporting(part, passages) is not None for part in said) / len(said)


def numbers_right(answer: str, passages: Sequence[Passage]) -> float:
    """The share of the model's own numbers whose passage supports the sentence that they stand in."""
    right = [
        0 < number <= len(passages) and supporting(_plain(part), [passages[number - 1]]) is not None
        for part in sentences(answer)
        for number in map(int, _NUMBER.findall(part))
    ]
    return sum(right) / len(right) if right else 1.0


def repeated(answer: str) -> float:
    """The share of runs of `RUN` words that the answer had before: a model that goes round in circles nears 1."""
    said = words(answer)
    runs = [tuple(said[at : at + RUN]) for at in range(len(said) - RUN + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def _similarity(told: Sequence[str], references: Sequence[str], embedder: Embedder) -> list[float]:
    if not told:
        return []
    ours, theirs = embedder.passages(list(told)), embedder.passages(list(references))
    return [float(one @ other) for one, other in zip(ours, theirs, strict=True)]


def _plain(sentence: str) -> str:
    return _NUMBER.sub("", sentence)
