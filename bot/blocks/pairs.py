"""A pair in; what people see of it out: the note to the captor, the card for review."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bot.alike import Alike
from bot.blocks.text import (
    Block,
    actions,
    button,
    context,
    escape,
    escaped,
    is_slack_user,
    link,
    person,
    quoted,
    section,
    select,
    shorten,
)
from lorekeeper.domain import Origin, Pair, PairState
from lorekeeper.similar import Likeness

SHOWN = 1200  # characters of a question or an answer on a card; the modal shows all
NEIGHBOUR = 300  # characters of a pair that it is like

VERBS = {
    PairState.APPROVED: ":white_check_mark: Approved",
    PairState.REJECTED: ":no_entry_sign: Rejected",
    PairState.RETIRED: ":wastebasket: Withdrawn",
}
ORIGINS = {
    Origin.REACTION: "saved",
    Origin.SHORTCUT: "saved",
    Origin.COMMAND: "saved",
    Origin.CORRECTION: "corrected",
    Origin.IMPORT: "imported",
    Origin.PROPOSED: "proposed",
    Origin.MINED: "mined",
}
REASONS = ("wrong", "out of date", "not a question", "not understandable alone", "too private")
"""What a pair is rejected for most; anything else is typed."""
OTHER = "other"


def saved(pair: Pair) -> list[Block]:
    """What was saved, to the one who saved it, with ways to change it or take it back."""
    return [
        section("*Saved for review.* This is what was kept:"),
        *_wording(pair),
        context(removed(pair)),
        actions(
            button("Edit", "pair_edit", str(pair.id)),
            button("Undo", "pair_undo", str(pair.id), style="danger"),
        ),
    ]


def card(pair: Pair, alike: Sequence[Alike] = ()) -> list[Block]:
    """A pair for a reviewer: with buttons while it is a candidate, afterwards with who decided."""
    shown = [
        section(f"*{escape(title(pair))}*"),
        *_wording(pair),
        *_replaced(pair),
        context(_provenance(pair), removed(pair), _tagged(pair)),
    ]
    if pair.state is not PairState.CANDIDATE:
        return [*shown, _verdict(pair), *_reopening(pair)]
    neighbours = [block for one in alike for block in _neighbour(pair, one)]
    return [*shown, *neighbours, _review_buttons(pair)]


def brief(pair: Pair, alike: Sequence[Alike] = ()) -> list[Block]:
    """A candidate among several in one message: short, with the same buttons."""
    likeness = "".join(f"\n{_likeness(one)}" for one in alike)
    question, answer = quoted(pair.question, NEIGHBOUR), quoted(pair.answer, NEIGHBOUR)
    return [
        section(
            f"*{escape(title(pair))}* · {_provenance(pair)}\n*Question*\n{question}\n*Answer*\n{answer}{likeness}"
        ),
        actions(
            button("Approve", "pair_approve", str(pair.id), style="primary"),
            button("Reject", "pair_refuse", str(pair.id), style="danger"),
            button("Open", "pair_open", str(pair.id)),
        ),
    ]


def sealed_card(pair: Pair) -> list[Block]:
    """A pair without its words: it is private and others read here, or it was withdrawn."""
    is_gone = pair.state is PairState.RETIRED
    where = f"Its words stay in <#{pair.channel}>, which is private."
    shown = [
        section(f"*{escape(title(pair))}*\n{'Its words are gone.' if is_gone else where}"),
        context(f"{ORIGINS[pair.origin]} by {person(pair.captured_by)}"),
    ]
    if pair.state is PairState.CANDIDATE:
        return [*shown, actions(button("Open", "pair_open", str(pair.id)))]
    return [*shown, _verdict(pair)]


def title(pair: Pair) -> str:
    return f"Pair {pair.id}"


def removed(pair: Pair) -> str:
    """What redaction took out, in words."""
    if not pair.redactions:
        return "Nothing had to be removed."
    kinds = Counter(pair.redactions)
    listed = ", ".join(f"{count} × {escape(kind)}" for kind, count in sorted(kinds.items()))
    return f":lock: Removed before it was stored: {listed}."


def summary(pair: Pair) -> str:
    """One line of plain text, for notifications."""
    return shorten(f"{title(pair)}: {pair.question}", 150)


def _wording(pair: Pair) -> list[Block]:
    also = "".join(f"\n_also asked:_ {escaped(one, 200)}" for one in pair.also_asked[:3])
    return [
        section(f"*Question*\n{quoted(pair.question, SHOWN)}{also}"),
        section(f"*Answer*\n{quoted(pair.answer, SHOWN)}"),
    ]


def _replaced(pair: Pair) -> list[Block]:
    if not pair.rejected_answer:
        return []
    return [section(f"*Instead of*\n{quoted(pair.rejected_answer, SHOWN)}")]


def _provenance(pair: Pair) -> str:
    source = link(pair.source, "source") if pair.source else "no link"
    sure = f", {pair.confidence:.0%} sure" if pair.confidence is not None else ""
    return f"{ORIGINS[pair.origin]} by {person(pair.captured_by)}{sure} · {source}"


def _tagged(pair: Pair) -> str:
    return " ".join(f":label: {escaped(tag, 40)}" for tag in pair.tags[:10])


def _neighbour(pair: Pair, one: Alike) -> list[Block]:
    """What the pair is like, and what one press does about it."""
    value, other = f"{pair.id}:{one.pair.id}", one.pair.id
    told = section(f"{_likeness(one)}\n{quoted(one.pair.answer, NEIGHBOUR)}")
    if one.likeness is Likeness.DUPLICATE:
        return [told, actions(button(f"Merge into {other}", "pair_merge", value))]
    return [
        told,
        actions(
            button(f"This one is right: replace {other}", "pair_replace", value),
            button(f"Pair {other} is right: reject this", "pair_beaten", value),
        ),
    ]


def _likeness(one: Alike) -> str:
    which = f"{one.pair.state} pair {one.pair.id}"
    asked = link(one.pair.source, one.pair.question, limit=150)
    if one.likeness is Likeness.DUPLICATE:
        return f":busts_in_silhouette: Says the same as {which}: {asked}"
    return f":zap: Contradicts {which}: {asked}"


def _review_buttons(pair: Pair) -> Block:
    value = str(pair.id)
    reasons = [(reason.capitalize(), f"{value}:{reason}") for reason in REASONS]
    return actions(
        button("Approve", "pair_approve", value, style="primary"),
        button("Edit", "pair_edit", value),
        button("Reject", "pair_refuse", value, style="danger"),
        select(
            "Reject because…", "pair_reject", [*reasons, ("Another reason…", f"{value}:{OTHER}")]
        ),
    )


def _reopening(pair: Pair) -> list[Block]:
    if pair.state is PairState.RETIRED:
        return []
    return [actions(button("Review again", "pair_reopen", str(pair.id)))]


def _verdict(pair: Pair) -> Block:
    verb = VERBS.get(pair.state, pair.state)
    by = f" by <@{pair.decided_by}>" if is_slack_user(pair.decided_by) else ""
    at = (
        f" <!date^{int(pair.decided_at)}^{{date_short_pretty}} {{time}}|then>"
        if pair.decided_at
        else ""
    )
    why = f" — {escaped(pair.reason, 500)}" if pair.reason else ""
    return context(f"{verb}{by}{at}{why}")
