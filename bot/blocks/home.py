"""The queue, counts, what is served and the last runs in; the view of an App Home out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.alike import Alike
from bot.blocks import pairs as shown
from bot.blocks.runs import line
from bot.blocks.text import Block, context, divider, escaped, header, person, section
from lorekeeper.domain import Deployment, Pair, PairState, Run


def view(
    *,
    waiting: Sequence[Pair],
    alike: Mapping[int, Sequence[Alike]],
    counts: Mapping[PairState, int],
    thumbs: tuple[int, int],
    deployment: Deployment | None,
    runs: Sequence[Run],
    may_review: bool,
    emoji: str,
) -> Block:
    """At most 100 blocks, of which a pair takes six, or ten where it is like two others."""
    return {
        "type": "home",
        "blocks": [
            header("Lorekeeper"),
            section(_numbers(counts, thumbs)),
            section(served(deployment)),
            divider(),
            header("Waiting for review"),
            *_queue(waiting, alike, counts, may_review, emoji),
            divider(),
            header("Last runs"),
            section("\n".join(map(line, runs)) or "None yet. `/lore retrain` starts one."),
            context("`/lore help` lists what can be done."),
        ],
    }


def served(deployment: Deployment | None) -> str:
    """What answers now, since when, and by whose decision."""
    if deployment is None:
        return "*Serving* the base model; no adapter was promoted yet."
    by = person(deployment.by)
    state = "" if deployment.loaded_at else " _The engine has not loaded it yet._"
    if deployment.error:
        state = f" :warning: The engine could not load it: {escaped(deployment.error, 300)}"
    return (
        f"*Serving* `{deployment.adapter}` since"
        f" <!date^{int(deployment.at)}^{{date_short_pretty}} {{time}}|its promotion>, by {by}:"
        f" {escaped(deployment.why, 500)}{state}"
    )


def _numbers(counts: Mapping[PairState, int], thumbs: tuple[int, int]) -> str:
    up, down = thumbs
    return (
        f"*{counts[PairState.APPROVED]}* approved · *{counts[PairState.CANDIDATE]}* waiting ·"
        f" {counts[PairState.REJECTED]} rejected · {counts[PairState.RETIRED]} withdrawn"
        f"      :thumbsup: {up}  :thumbsdown: {down}"
    )


def _queue(
    waiting: Sequence[Pair],
    alike: Mapping[int, Sequence[Alike]],
    counts: Mapping[PairState, int],
    may_review: bool,
    emoji: str,
) -> list[Block]:
    if not may_review:
        return [section("Reviewers decide on what was saved.")]
    if not waiting:
        return [section(f"Nothing. React with :{emoji}: on a good answer to add something.")]
    more = counts[PairState.CANDIDATE] - len(waiting)
    cards = [block for pair in waiting for block in [*shown.card(pair, alike[pair.id]), divider()]]
    return [*cards, *([context(f"{more} more wait behind these.")] if more > 0 else [])]
