"""A quality report in; what to do about it, most useful first, out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from builder.quality.kinds import UNSURE
from builder.quality.report import Report

ONE_VOICE = 0.5  # share of pairs with words of one author from which the model speaks like them
ONE_TOPIC = 0.4  # share of one topic from which the others are hardly learned
HARSH = 0.4  # share of a group's mentions beside harsh words that is worth reading
FEWEST_MENTIONS = 5
FEWEST_FOR_SHARES = 10  # pairs
FEW = 100  # pairs; more of them help more than anything else
NAMED = 8  # pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do, and about which pairs."""

    text: str
    pairs: tuple[int, ...] = ()


def advice(report: Report) -> list[Advice]:
    """What spoils training comes first, then what skews it, then what would make it better."""
    return [*_wrong(report), *_skewed(report), *_wanting(report)]


def told(one: Advice) -> str:
    """The advice as one line, with the first pairs that it is about."""
    if not one.pairs:
        return one.text
    more = f" and {len(one.pairs) - NAMED} more" if len(one.pairs) > NAMED else ""
    return f"{one.text} Pairs {', '.join(map(str, one.pairs[:NAMED]))}{more}."


def _wrong(report: Report) -> Iterator[Advice]:
    if report.contradictions:
        yield Advice(
            text=f"{len(report.contradictions)} times two pairs answer one question differently:"
            " keep the one that is right.",
            pairs=_flat(report.contradictions),
        )
    if report.disliked:
        yield Advice(
            text=f"{len(report.disliked)} pairs stand behind answers that were marked as not helpful:"
            " read them again.",
            pairs=report.disliked,
        )
    if report.too_long:
        yield Advice(
            text=f"{len(report.too_long)} pairs are too long for the recipe and would be left out:"
            " shorten them, or raise max_tokens.",
            pairs=report.too_long,
        )
    if report.stale:
        yield Advice(
            text=f"{len(report.stale)} answers are old: check that they still hold.",
            pairs=report.stale,
        )
    if report.duplicates:
        yield Advice(
            text=f"{len(report.duplicates)} times two pairs say the same: merge them.",
            pairs=_flat(report.duplicates),
        )


def _skewed(report: Report) -> Iterator[Advice]:
    if report.loudest > ONE_VOICE and report.pairs >= FEWEST_FOR_SHARES:
        yield Advice(
            text=f"{report.loudest:.0%} of the pairs have words of one author: the model will sound"
            " like them. Save answers of others, too."
        )
    if report.topics and len(report.topics[0].pairs) > ONE_TOPIC * report.pairs:
        most = report.topics[0]
        yield Advice(
            text=f"{len(most.pairs) / report.pairs:.0%} of the pairs are about one topic"
            f" ({most.name}): save answers about others."
        )
    languages = [language for language in report.languages if language != UNSURE]
    if len(languages) > 1:
        rare = [name for name in languages[1:] if report.languages[name] < report.pairs / 10]
        if rare:
            yield Advice(
                text=f"Few pairs are in {', '.join(rare)}: the model will not answer well there."
            )
    for one in report.mentions:
        if one.pairs >= FEWEST_MENTIONS and one.harsh_share > HARSH:
            yield Advice(
                text=f"{one.harsh} of {one.pairs} pairs that mention {one.group} do so beside harsh"
                " words: read them.",
                pairs=one.examples,
            )


def _wanting(report: Report) -> Iterator[Advice]:
    if report.outliers:
        yield Advice(
            text=f"{len(report.outliers)} answers are far longer than the others: perhaps they hold"
            " several answers.",
            pairs=report.outliers,
        )
    if report.placeholders:
        held = sum(report.placeholders.values())
        yield Advice(
            text=f"Placeholders are left in pairs ({', '.join(report.placeholders)}; {held}):"
            " reword where the model must not learn to say them."
        )
    if report.pairs < FEW:
        yield Advice(
            text=f"There {'is 1 pair' if report.pairs == 1 else f'are {report.pairs} pairs'}: from"
            f" about {FEW} on, training does more than retrieval alone."
        )


def _flat(pairs: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(pair_id for both in pairs for pair_id in both))
