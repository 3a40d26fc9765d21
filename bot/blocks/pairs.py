"""A pair in; what people see of it out: the note to the captor, the card for review."""

from __future__ import annotations

from collections import Counter

from bot.blocks.text import (
    Block,
    actions,
    button,
    context,
    escape,
    escaped,
    link,
    quoted,
    section,
    shorten,
)
from lorekeeper.domain import Origin, Pair, PairState

SHOWN = 1200  # characters of a question or an answer on a card; the modal shows all

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
}


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


def card(pair: Pair) -> list[Block]:
    """A pair for a reviewer: with buttons while it is a candidate, afterwards with who decided."""
    return [
        section(f"*{escape(title(pair))}*"),
        *_wording(pair),
        *_replaced(pair),
        context(_provenance(pair), removed(pair)),
        *([_review_buttons(pair)] if pair.state is PairState.CANDIDATE else [_verdict(pair)]),
    ]


def sealed_card(pair: Pair) -> list[Block]:
    """A pair without its words: it is private and others read here, or it was withdrawn."""
    is_gone = pair.state is PairState.RETIRED
    where = f"Its words stay in <#{pair.channel}>, which is private."
    shown = [
        section(f"*{escape(title(pair))}*\n{'Its words are gone.' if is_gone else where}"),
        context(f"{ORIGINS[pair.origin]} by <@{pair.captured_by}>"),
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
    return [
        section(f"*Question*\n{quoted(pair.question, SHOWN)}"),
        section(f"*Answer*\n{quoted(pair.answer, SHOWN)}"),
    ]


def _replaced(pair: Pair) -> list[Block]:
    if not pair.rejected_answer:
        return []
    return [section(f"*Instead of*\n{quoted(pair.rejected_answer, SHOWN)}")]


def _provenance(pair: Pair) -> str:
    source = link(pair.source, "source") if pair.source else "no link"
    return f"{ORIGINS[pair.origin]} by <@{pair.captured_by}> · {source}"


def _review_buttons(pair: Pair) -> Block:
    value = str(pair.id)
    return actions(
        button("Approve", "pair_approve", value, style="primary"),
        button("Edit", "pair_edit", value),
        button("Reject", "pair_reject", value, style="danger"),
    )


def _verdict(pair: Pair) -> Block:
    verb = VERBS.get(pair.state, pair.state)
    by = f" by <@{pair.decided_by}>" if _is_person(pair.decided_by) else ""
    at = (
        f" <!date^{int(pair.decided_at)}^{{date_short_pretty}} {{time}}|then>"
        if pair.decided_at
        else ""
    )
    why = f" — {escaped(pair.reason, 500)}" if pair.reason else ""
    return context(f"{verb}{by}{at}{why}")


def _is_person(by: str | None) -> bool:
    return bool(by) and by is not None and by[0] in "UW" and by.isalnum()
