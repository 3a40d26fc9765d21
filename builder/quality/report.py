"""The rows of a dataset in; every measure of their quality, and what to do about it, out. No model is used.

Nothing here decides: it shows a curator where to look, with the ids of the pairs.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from builder.dataset import Row
from builder.quality.kinds import kind_of, language_of
from builder.quality.mentions import Mentioned, mentioned
from builder.quality.topics import Topic, topics
from lorekeeper.domain import SLACK_TS
from lorekeeper.redact import PLACEHOLDER
from lorekeeper.similar import Likeness, Neighbours

DAY = 86400.0
OUTLIER = 3.0  # interquartile ranges away from the quartiles: "far out" (Tukey 1977)
FEWEST_FOR_OUTLIERS = 8  # pairs; the quartiles of fewer mean nothing
CHARACTERS_A_TOKEN = 3.0  # cautious: English has about four, code and other scripts fewer

Count = Callable[[str], int]
Thumbs = Mapping[int, tuple[int, int]]
"""Thumbs up and down by pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Ids are of pairs. Shares are of all pairs, 0 to 1."""

    pairs: int
    conversations: int
    duplicates: tuple[tuple[int, int], ...]
    contradictions: tuple[tuple[int, int], ...]
    too_long: tuple[int, ...]  # the trainer leaves them out
    outliers: tuple[int, ...]  # far longer than the others
    words: tuple[float, float, int]  # of an answer: median, mean, longest
    languages: dict[str, int]
    kinds: dict[str, int]  # of question
    topics: tuple[Topic, ...]
    authors: dict[str, int]  # pairs that each author has words in
    stale: tuple[int, ...]
    placeholders: dict[str, int]  # kind to how many pairs hold one
    mentions: tuple[Mentioned, ...]
    disliked: tuple[
        int, ...
    ]  # cited by answers with more thumbs down than up, the most disliked first
    thumbs: tuple[int, int]  # up and down, on answers that cite these pairs

    @property
    def loudest(self) -> float:
        """The share of pairs that the commonest author has words in."""
        return max(self.authors.values(), default=0) / self.pairs if self.pairs else 0.0


def report(
    rows: Sequence[Row],
    *,
    max_tokens: int,
    stale_days: float,
    count: Count | None = None,
    now: float | None = None,
    thumbs: Thumbs | None = None,
) -> Report:
    """Measure the rows.

    `max_tokens` is the recipe's; `count` counts the tokens of a text, and without it they are
    estimated from its length. `now` is when staleness is counted from. `thumbs` are those on answers
    that cite each pair (`lorekeeper.store.feedback.by_pair`).
    """
    given = {row.pair_id: (thumbs or {}).get(row.pair_id, (0, 0)) for row in rows}
    now = time.time() if now is None else now
    duplicates, contradictions = _neighbours(rows)
    lengths = {row.pair_id: len(row.answer.split()) for row in rows}
    return Report(
        pairs=len(rows),
        conversations=len({row.conversation for row in rows}),
        duplicates=duplicates,
        contradictions=contradictions,
        too_long=tuple(row.pair_id for row in rows if _tokens(row, count) > max_tokens),
        outliers=_outliers(lengths),
        words=_spread(list(lengths.values())),
        languages=_counted(language_of(f"{row.question}\n{row.answer}") for row in rows),
        kinds=_counted(kind_of(row.question) for row in rows),
        topics=topics(rows),
        authors=_counted(author for row in rows for author in row.authors),
        stale=tuple(row.pair_id for row in rows if _age(row, now) > stale_days * DAY),
        placeholders=_counted(kind for row in rows for kind in _held(row)),
        mentions=mentioned(rows),
        disliked=_disliked(given),
        thumbs=(sum(up for up, _ in given.values()), sum(down for _, down in given.values())),
    )


def _disliked(thumbs: Thumbs) -> tuple[int, ...]:
    balance = {pair_id: down - up for pair_id, (up, down) in thumbs.items() if down > up}
    return tuple(sorted(balance, key=lambda pair_id: -balance[pair_id]))


def _neighbours(
    rows: Sequence[Row],
) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """Duplicates and contradictions, each pair of pairs once."""
    seen = Neighbours[int]()
    found: dict[Likeness, list[tuple[int, int]]] = {kind: [] for kind in Likeness}
    for row in rows:
        for near in seen.of(row.question, row.answer):
            found[near.likeness].append((near.key, row.pair_id))
        seen.put(row.pair_id, row.question, row.answer)
    return tuple(found[Likeness.DUPLICATE]), tuple(found[Likeness.CONFLICT])


def _tokens(row: Row, count: Count | None) -> int:
    text = f"{row.question}\n{row.answer}"
    return count(text) if count is not None else round(len(text) / CHARACTERS_A_TOKEN)


def _outliers(lengths: dict[int, int]) -> tuple[int, ...]:
    ordered = sorted(lengths.values())
    if len(ordered) < FEWEST_FOR_OUTLIERS:
        return ()
    low, high = ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4]
    most = high + OUTLIER * max(1, high - low)
    return tuple(pair_id for pair_id, length in lengths.items() if length > most)


def _spread(lengths: Sequence[int]) -> tuple[float, float, int]:
    if not lengths:
        return 0.0, 0.0, 0
    return float(median(lengths)), sum(lengths) / len(lengths), max(lengths)


def _age(row: Row, now: float) -> float:
    """Seconds since the answer was given; 0 where that is not known."""
    is_slack_ts = len(row.answer_ts) == SLACK_TS and row.answer_ts[10] == "."
    return now - float(row.answer_ts) if is_slack_ts else 0.0


def _held(row: Row) -> set[str]:
    """The kinds of placeholders that stand in the row's words."""
    found = PLACEHOLDER.findall(f"{row.question}\n{row.answer}")
    return {placeholder.strip("[]").split()[0] for placeholder in found}


def _counted(found: Iterable[str]) -> dict[str, int]:
    return dict(Counter(found).most_common())
