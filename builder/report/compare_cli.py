"""`lore compare v3 v4`: two adapters side by side, by what was measured and by what people chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from lorekeeper.domain import BASE_NAME, Adapter, Arm, Evaluation
from lorekeeper.errors import BadInput
from lorekeeper.paired import Difference, paired

LISTED = 5  # questions each way
WIDE = 90  # characters of a question
FEWEST = 2  # questions that a difference needs


def compare(
    one: Annotated[str, typer.Argument(help="An adapter, such as v3, or base.")],
    other: Annotated[str, typer.Argument(help="Another one.")],
) -> None:
    """Compare two adapters on the held-out questions that both answered, and by people's blind votes."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from builder.report.since import compared
    from lorekeeper import settings as config
    from lorekeeper import store
    from lorekeeper.store import adapters, reading
    from lorekeeper.text import shorten

    if one == other:
        raise BadInput(f"{one} is as good as itself.", fix="Name two adapters.")
    engine = store.open_database(config.load().database_url)
    with reading(engine) as db:
        made = {name: adapters.by_name(db, name) for name in (one, other) if name != BASE_NAME}
        votes = compared(db, one, other)
    before, after = (losses(made, name) for name in (one, other))
    shared = [question for question in after if question in before]
    console = Console(highlight=False)
    if len(shared) < FEWEST:
        console.print(f"{one} and {other} were not judged on the same held-out questions.")
    else:
        moves = {question: after[question] - before[question] for question in shared}
        clusters = _clusters(made)
        found = paired(
            list(moves.values()), [0.0] * len(moves), [clusters[question] for question in moves]
        )
        console.print(Text(measured(one, other, found)))
        table = Table("Nats", "Question", title=f"{other} against {one}", box=None)
        order = sorted(moves, key=moves.__getitem__)
        for question in [*order[:LISTED], *order[LISTED:][-LISTED:]]:
            style = "green" if moves[question] < 0 else "red"
            table.add_row(Text(f"{moves[question]:+.3f}", style), Text(shorten(question, WIDE)))
        console.print(table)
    for line in votes or [f"No blind vote yet: `/lore compare {one} {other}` in Slack begins one."]:
        console.print(Text(line))


def losses(made: Mapping[str, Adapter], name: str) -> dict[str, float]:
    """Nats per token with retrieval, by held-out question; of the base as the other's run scored it."""
    if name == BASE_NAME:
        (judged,) = made.values()
        return _by_question(judged.evaluation, Arm.RETRIEVAL)
    return _by_question(made[name].evaluation, Arm.TUNED_RETRIEVAL)


def measured(one: str, other: str, found: Difference) -> str:
    """The difference in words."""
    p = min(1.0, 2 * min(found.p_lower, found.p_higher))
    told = (
        f"{found.mean:+.3f} nats per answer token, {other} minus {one}, with retrieval (95 % interval"
        f" {found.low:+.3f} to {found.high:+.3f}, {found.questions} held-out questions, p = {p:.4f})"
    )
    if p >= 0.05:
        return f"No difference that these questions can show: {told}."
    return f"{other if found.mean < 0 else one} is better: {told}."


def _by_question(evaluation: Evaluation, arm: Arm) -> dict[str, float]:
    return dict(zip(evaluation.questions, evaluation.arm(arm).nll, strict=True))


def _clusters(made: Mapping[str, Adapter]) -> dict[str, str]:
    return {
        question: conversation
        for adapter in made.values()
        for question, conversation in zip(
            adapter.evaluation.questions, adapter.evaluation.conversations, strict=True
        )
    }
