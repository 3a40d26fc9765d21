"""A run, its adapter and its evidence in; the one message about it out."""

from __future__ import annotations

import math
from pathlib import Path

from bot.blocks.text import (
    SECTION,
    Block,
    actions,
    button,
    context,
    escaped,
    person,
    pieces,
    quoted,
    section,
    table,
)
from builder.plan.told import told
from builder.recipes import Recipe
from builder.recipes import names as load_recipes
from builder.report.evidence import Evidence, moved
from lorekeeper.domain import (
    Adapter,
    AdapterKind,
    Arm,
    Deployment,
    Evaluation,
    Goal,
    Outcome,
    Plan,
    Progress,
    Run,
    RunState,
    Stages,
)
from lorekeeper.promotion import overrules
from lorekeeper.quantities import duration, size

BAR = 20  # squares
LOOKED_AT = 50  # of the questions that moved furthest each way, for one with both answers

STATES = {
    RunState.QUEUED: ":hourglass_flowing_sand: waits for a worker",
    RunState.RUNNING: ":gear: running",
    RunState.DONE: ":checkered_flag: done",
    RunState.FAILED: ":x: failed",
    RunState.CANCELLED: ":octagonal_sign: cancelled",
}
GOALS = {
    Goal.ADAPTER: "",
    Goal.PLAN: " · a plan, nothing is trained",
    Goal.CURVE: " · would more data help?",
    Goal.SEARCH: " · a search for better settings",
}
VERDICTS = {
    Outcome.PROMOTE: ":white_check_mark: *Promoted*: it answers better.",
    Outcome.KEEP: ":no_entry_sign: *Kept out*: what is served stays.",
    Outcome.UNDECIDED: ":scales: *Undecided*: too little evidence, so what is served stays.",
    Outcome.FOR_TASK: ":dart: *For its task*: it does that better; the assistant stays as it is.",
}


def card(
    run: Run,
    adapter: Adapter | None = None,
    served: Deployment | None = None,
    evidence: Evidence | None = None,
) -> list[Block]:
    """The run as it is now; at the end with its verdict, the comparison and what can be done.

    `evidence` holds only the words that those who read the message may see.
    """
    head = section(
        f"*Run {run.id}*{GOALS[run.goal]} · recipe `{escaped(run.recipe, 40)}` · {STATES[run.state]}"
        f"\nasked for by {person(run.requested_by)}"
    )
    if run.is_over:
        return [head, *_ending(run, adapter, served, evidence)]
    return [head, section(_progress(run.progress)), *planned(run.plan), *_cancelling(run)]


def planned(plan: Plan | None) -> list[Block]:
    """What the run takes, as it was estimated before it began."""
    if plan is None:
        return []
    lines = "\n".join(f"*{name}*: {escaped(text, 700)}" for name, text in told(plan))
    return [context(f"The plan\n{lines}")]


def line(run: Run) -> str:
    """The run in one line of mrkdwn."""
    who = person(run.requested_by)
    detail = f": {escaped(run.error, 200)}" if run.error else ""
    step = f" {run.progress.step}/{run.progress.steps}" if run.state is RunState.RUNNING else ""
    return (
        f"• *Run {run.id}* {STATES[run.state]}{step}, `{escaped(run.recipe, 40)}`, by {who}{detail}"
    )


def summary(run: Run) -> str:
    """Plain text, for notifications."""
    return f"Run {run.id} is {run.state}."


def loaded(deployment: Deployment) -> list[Block]:
    """The engine serves something else from now on, or could not."""
    if deployment.error:
        return [
            section(
                f":warning: The engine could not load `{deployment.adapter}`:"
                f" {escaped(deployment.error, 1000)}\nWhat was served before is served on."
            )
        ]
    return [
        section(
            f":zap: `{deployment.adapter}` answers now, promoted by {person(deployment.by)}:"
            f" {escaped(deployment.why, 1000)}"
        ),
        actions(_roll_back()),
    ]


def comparison(evaluation: Evaluation) -> list[Block]:
    """All arms on the same questions."""
    rows = [["Arm", "NLL (less is better)", "F1"]]
    rows += [
        [score.arm.value, _number(score.mean_nll), _number(score.mean_f1)]
        for score in evaluation.arms
    ]
    if not any(score.answers for score in evaluation.arms):
        rows = [row[:-1] for row in rows]  # nothing was written, so there is no F1
    measured = (
        f"{len(evaluation.questions)} held-out questions, never trained on,"
        f" at {escaped(evaluation.precision, 20)}. NLL: nats for each token of the reference answer."
    )
    return [table(rows), context(measured), *_tasks(evaluation), *_stages(evaluation.stages)]


def _tasks(evaluation: Evaluation) -> list[Block]:
    """Each task in every way it was asked, on its own metric; a message holds one table only."""
    lines = [
        f"*{escaped(score.task, 40)}*, {score.metric}: "
        + " · ".join(f"{arm.asked.value} {_number(arm.value)}" for arm in score.arms)
        for score in evaluation.tasks
    ]
    return [section("\n".join(lines))] if lines else []


def _stages(stages: Stages | None) -> list[Block]:
    """The loss on each stage's held-out rows: before training, and after each stage."""
    if stages is None:
        return []
    lines = [
        f"*{escaped(name, 40)}*: {' → '.join(_number(after[at]) for after in stages.losses)}"
        for at, name in enumerate(stages.names)
    ]
    after = ", ".join(escaped(name, 40) for name in stages.names)
    return [
        section("\n".join(lines)),
        context(f"NLL on each stage's held-out rows: before training, then after {after}."),
    ]


def adapters_table(adapters: list[Adapter], served: str) -> list[Block]:
    rows = [["Adapter", "Run", "NLL with retrieval", "Verdict"]]
    for adapter in adapters[-20:]:
        nll = _number(_mean(adapter.evaluation, Arm.TUNED_RETRIEVAL))
        name = f"{adapter.name} (served)" if adapter.name == served else adapter.name
        rows.append([name, str(adapter.run_id), nll, adapter.verdict.outcome.value])
    return [table(rows)]


def recipes(data: Path) -> list[Block]:
    """What `/lore retrain` takes: every recipe with what it is for, and the options of all of them."""
    found = load_recipes(data)
    ways = "\n".join(
        f"• `{escaped(name, 40)}` {escaped(one.about, 200)}" for name, one in found.items()
    )
    fields = {name: field for name, field in Recipe.model_fields.items() if name != "about"}
    options = "\n".join(
        f"• `{name}={escaped(str(field.default), 40)}` {escaped(_first_sentence(field.description), 120)}"
        for name, field in fields.items()
    )
    told = f"*Recipes*\n{ways}\n\n*Options, with their defaults*\n{options}"
    return [
        *[section(piece) for piece in pieces(told, SECTION)],
        context("For example: `/lore retrain qlora epochs=3 rank=32`"),
    ]


def _first_sentence(text: str | None) -> str:
    return (text or "").partition(". ")[0].rstrip(".")


def _ending(
    run: Run, adapter: Adapter | None, served: Deployment | None, evidence: Evidence | None
) -> list[Block]:
    if run.state is RunState.FAILED:
        return [
            section(f"*Why*: {escaped(run.error or 'unknown', 2000)}"),
            context("What was trained so far is kept: `/lore retrain` starts anew."),
        ]
    if run.state is RunState.DONE and run.goal is not Goal.ADAPTER:
        found = [section(escaped(run.found, 2900))] if run.found else []
        return [*found, *planned(run.plan)]
    if run.state is RunState.CANCELLED or adapter is None:
        by = person(run.cancel_requested_by) if run.cancel_requested_by else "somebody"
        return [section(f"Cancelled by {by}. What is served did not change.")]
    return [
        *[section(piece) for piece in pieces(_verdict(adapter), SECTION)],
        *comparison(adapter.evaluation),
        *_examples(evidence),
        _choices(adapter, served),
        context(
            "The report, with pictures, is in the thread." if evidence is not None else "",
            f"Next: `/lore ask …` to try it, `/lore adapters` to compare. Dataset {adapter.dataset_id}.",
        ),
    ]


def _verdict(adapter: Adapter) -> str:
    reasons = "\n".join(f"• {escaped(reason, 400)}" for reason in adapter.verdict.reasons)
    return f"*Adapter {adapter.name}* {VERDICTS[adapter.verdict.outcome]}\n{reasons}"


def _examples(evidence: Evidence | None) -> list[Block]:
    """What became most better and most worse, before and after, to read side by side."""
    found = moved(evidence, LOOKED_AT) if evidence is not None else ()
    firsts = [
        next((one for one in side if one.is_open and one.before is not None), None)
        for side in found
    ]
    return [
        section(
            f"*{escaped(one.question, 300)}* ({one.difference:+.2f} nats)"
            f"\n_before_\n{quoted(one.before or '', 600)}\n_after_\n{quoted(one.after or '', 600)}"
        )
        for one in firsts
        if one is not None
    ]


def _choices(adapter: Adapter, served: Deployment | None) -> Block:
    if served is not None and served.adapter_id == adapter.id:
        return actions(_roll_back())
    everyone = f"{adapter.name} will answer everyone from now on."
    if adapter.kind is AdapterKind.MODEL:
        everyone += (
            " It is a whole model: for the minutes of its start, answers are the sources alone."
        )
    return actions(
        button(
            f"Promote {adapter.name}",
            "run_promote",
            adapter.name,
            style="primary",
            confirm=None if overrules(adapter) else everyone,  # else a modal asks why
        )
    )


def _roll_back() -> Block:
    return button("Roll back", "run_rollback", "now", style="danger")  # a modal asks why


def _cancelling(run: Run) -> list[Block]:
    if run.cancel_requested_by:
        return [context(f"{person(run.cancel_requested_by)} asked it to stop; it stops soon.")]
    return [
        actions(
            button(
                "Cancel",
                "run_cancel",
                str(run.id),
                style="danger",
                confirm="The run stops. Its last checkpoint is kept.",
            )
        )
    ]


def _progress(progress: Progress) -> str:
    share = progress.step / progress.steps if progress.steps else 0.0
    full = round(BAR * min(1.0, max(0.0, share)))
    numbers = [f"{progress.step}/{progress.steps} steps"] if progress.steps else []
    if progress.loss is not None:
        numbers.append(f"loss {progress.loss:.3f}")
    if progress.tokens_per_second is not None:
        numbers.append(f"{progress.tokens_per_second:.0f} tokens/s")
    if progress.memory is not None:
        numbers.append(size(progress.memory))
    if progress.seconds_left is not None:
        numbers.append(f"{duration(progress.seconds_left)} left")
    note = f"\n_{escaped(progress.note, 300)}_" if progress.note else ""
    return (
        f"*{progress.stage.value}* `{'█' * full}{'░' * (BAR - full)}` {' · '.join(numbers)}{note}"
    )


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"


def _mean(evaluation: Evaluation, arm: Arm) -> float:
    return next((s.mean_nll for s in evaluation.arms if s.arm is arm), math.nan)
