"""The job that looks through a channel's past in; its one message out."""

from __future__ import annotations

from bot.blocks.text import Block, actions, button, context, escaped, person, section
from lorekeeper.domain import ImportJob, ImportState

SAID = {
    ImportState.READING: ":hourglass_flowing_sand: Reading what was said",
    ImportState.MINING: ":mag: Looking for questions with answers",
    ImportState.DONE: ":checkered_flag: Done",
    ImportState.CANCELLED: ":octagonal_sign: Cancelled; what was found stays",
    ImportState.FAILED: ":x: It failed; what was found stays",
}


def card(job: ImportJob) -> list[Block]:
    """How far the job is, with a button that stops it, or takes it up again."""
    reached = (
        f" · back to <!date^{int(float(job.reached))}^{{date_short_pretty}}|then>"
        if job.reached
        else ""
    )
    error = f"\n_{escaped(job.error, 300)}_" if job.error else ""
    shown = [
        section(
            f"*Import of <#{job.channel}>* · {SAID[job.state]}{error}"
            f"\n*{job.messages}* new messages{reached} · *{job.pairs}* new candidates"
        ),
        context(f"asked for by {person(job.requested_by)}", _next(job)),
    ]
    if not job.is_over:
        return [*shown, actions(button("Cancel", "import_cancel", job.channel, style="danger"))]
    if job.state is ImportState.DONE:
        return shown
    return [*shown, actions(button("Go on", "import_resume", job.channel, style="primary"))]


def summary(job: ImportJob) -> str:
    """Plain text, for notifications."""
    return f"The import is {job.state}: {job.messages} messages, {job.pairs} candidates."


def _next(job: ImportJob) -> str:
    if job.state is ImportState.DONE and job.pairs:
        return "They wait for review in my Home; nothing is trained on or quoted before that."
    return ""
