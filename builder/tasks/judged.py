"""A trained job with its evaluation in; the same with each task's scores and the stages', in words too, out."""

from __future__ import annotations

from dataclasses import replace

from builder import stages
from builder.fit import ADAPTER
from builder.job import Job, evaluating
from builder.scoring import Judged
from builder.tasks import scoring, skilled, verdict
from builder.tasks.learn import single, tasks_of
from builder.tasks.ready import WAYS, Ready
from builder.tasks.scoring import Single
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Asked, Evaluation, Stages, Verdict
from lorekeeper.store import reading


def evaluated(evaluation: Evaluation, judged: Judged, job: Job) -> Evaluation:
    """With what the run's way has to show beside the assistant's arms."""
    if job.recipe.way not in WAYS:
        return evaluation
    if job.recipe.way == "sequential":
        return replace(evaluation, stages=stages.measure(judged, job))
    tasks = tasks_of(job)
    singles = {ready.task.name: _single(job, ready) for ready in tasks}
    scores = scoring.score(
        judged,
        tasks,
        job.library.embedder,
        most=job.recipe.judged_rows,
        longest=job.recipe.max_tokens,
        singles=singles if job.recipe.way == "multitask" else {},
        tell=lambda done, of, what: evaluating(job.report, done, of, what),
    )
    return replace(evaluation, tasks=scores)


def decided(of_gate: Verdict, evaluation: Evaluation, job: Job) -> Verdict:
    """The verdict on the run.

    An adapter of one task is judged by that task alone, and never becomes the assistant's by itself.
    Other ways are judged by the gate; how their tasks and stages did is told beside.
    """
    rule = job.settings.train.significance
    if job.recipe.way == "task":
        return verdict.judge(evaluation.tasks[0], significance=rule)
    told = [
        sentence
        for score in evaluation.tasks
        for asked in (Asked.BASE, Asked.SINGLE)
        if (sentence := verdict.against(score, asked, significance=rule))
    ]
    if evaluation.stages is not None:
        told += _kept(evaluation.stages)
    return replace(of_gate, reasons=(*of_gate.reasons, *told))


def _single(job: Job, ready: Ready) -> Single | str:
    """The adapter of the task alone: of this run, or of an earlier one on the same rows."""
    if job.recipe.compare_single:
        return Single(folder=single(job.work, ready.task.name) / ADAPTER)
    artifacts = ArtifactStore(job.settings.store.data)
    with reading(job.engine) as db:
        found = skilled.alone(
            db, artifacts, ready.task.name, version=ready.version, base_model=job.run.base_model
        )
    if found is not None:
        return Single(folder=artifacts.open(found.folder), name=found.name)
    return (
        "No adapter was trained on these rows alone: use compare_single=true,"
        f" or `lore train --recipe task task={ready.task.name}` first."
    )


def _kept(found: Stages) -> list[str]:
    """What the later stages did to each earlier one."""
    return [
        f"Stage {one.stage}: {one.mean:+.3f} nats per token since it ended"
        f" (95 % interval {one.low:+.3f} to {one.high:+.3f}; above 0 is forgetting)."
        for one in found.transfers
    ]
