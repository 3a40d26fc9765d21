"""A job in; what it will take, and the job with every hyperparameter settled, out.

The plan is reckoned from the rows and the model's shape, and measured by a probe of a few real steps.
It is stored in the run's row before anything is trained, and a run that would not fit ends here.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builder import aware, effort, fit, preference, shape, split, weights
from builder.effort import Choice, Facts
from builder.encode import Example
from builder.guards import ask
from builder.job import Job
from builder.launch import processes
from builder.plan import fits, memory, probe, rows
from builder.plan.memory import Device, Needs
from builder.plan.rows import Counted
from builder.recipes import Recipe
from builder.shape import Shape
from builder.tasks import learn
from builder.tasks.ready import WAYS
from lorekeeper import hardware
from lorekeeper.domain import Arm, Plan, Progress, Run, Stage
from lorekeeper.errors import BadInput
from lorekeeper.store import deployments, reading

FORTH = 3.0  # a row's time forth and back over its time forth alone
HOPEFUL = 0.25  # of the reckoned activations: what does not even fit with these is not probed


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A job whose recipe is complete, and what it was completed from."""

    job: Job
    counted: Counted
    validating: Sequence[Example]  # rows that are not learned, to see when it only memorises
    shape: Shape
    chosen: tuple[Choice, ...]


def settle(job: Job, keep: Callable[[Plan], Run]) -> Job:
    """The job with what its dial chose, once `keep` has its plan; a run that was planned is not again.

    Raises:
        BadInput: no row fits, or memory does not suffice; names the largest setting that does.
        NoSpace: the disk does not suffice.
        Cancelled: somebody asked for the run to stop.
    """
    began = time.monotonic()
    job.report(Progress(stage=Stage.PREPARING, note="counting tokens"))
    settled = dialled(job)
    if job.run.plan is not None:
        return settled.job
    plan = _plan(settled, counting=time.monotonic() - began)
    return replace(settled.job, run=keep(plan))


def dialled(job: Job) -> Settled:
    """Count the job's rows, and fill in what neither its recipe nor a person set.

    Raises:
        BadInput: no row fits into the recipe's `max_tokens`.
    """
    learned, validating = _examples(job)
    counted = rows.count(learned, job.recipe.max_tokens)
    built = shape.of(job.base)
    facts = Facts(
        rows=counted.drawn(job.recipe),
        answer_tokens=counted.answer_tokens,
        shape=built,
        most_rank=job.settings.serving.max_lora_rank,
    )
    recipe, chosen = effort.dial(job.recipe, facts)
    return Settled(
        job=replace(job, recipe=recipe),
        counted=counted,
        validating=validating,
        shape=built,
        chosen=chosen,
    )


def _plan(settled: Settled, *, counting: float) -> Plan:
    job, counted = settled.job, settled.counted
    needs = Needs(shape=settled.shape, rows=counted.fitting, device=_device())
    hopeful = replace(needs, device=replace(needs.device, factor=HOPEFUL))
    fits.refuse_memory(job.recipe, hopeful, longest=counted.longest)
    if needs.device.shares > 1:
        fits.refuse_loading(
            memory.to_load(needs.shape, job.recipe, needs.device), hardware.free_memory()
        )
    disk_free = shutil.disk_usage(job.work).free
    disk = memory.disk(needs.shape, job.recipe, needs.device)
    fits.refuse_disk(job.recipe, disk, disk_free)
    trained = judged = None
    if job.settings.train.probe:
        with tempfile.TemporaryDirectory(dir=job.work, prefix=".probe-") as scratch:
            trained = _probe_training(job, counted, Path(scratch), needs)
            judged = probe.judge(job, Path(scratch) / fit.ADAPTER)
        needs = replace(needs, device=_calibrated(job, needs, trained))
        fits.refuse_memory(job.recipe, needs, longest=counted.longest)
    drawn = counted.drawn(job.recipe)
    steps = fit.steps_of(drawn, job.recipe)
    return Plan(
        rows=drawn,
        prompt_tokens=counted.prompt_tokens,
        answer_tokens=counted.answer_tokens,
        lengths=counted.lengths,
        left_out=counted.left_out,
        left_out_why=counted.left_out_why,
        steps=steps,
        device=next(iter(hardware.gpus()), "CPU"),
        memory=needs.parts(job.recipe),
        memory_free=needs.device.free,
        seconds=(
            {"preparing": counting, **_seconds(settled, steps, trained, judged)}
            if trained and judged
            else {}
        ),
        disk=disk,
        disk_free=disk_free,
        chosen=tuple(map(str, settled.chosen)),
        probed=trained.steps if trained else 0,
    )


def _examples(job: Job) -> tuple[list[Example], list[Example]]:
    """Rows that are learned and rows that are validated on, as the recipe's way has them."""
    from transformers import AutoTokenizer

    if job.recipe.way in WAYS:
        return learn.rows_of(job)
    if job.recipe.way == "feedback":
        return preference.examples(job), []
    tokenizer = AutoTokenizer.from_pretrained(job.base)
    made = aware.examples(job.train, job.recipe, job.library, tokenizer)
    held = split.for_validation(job.train, share=job.recipe.validation, seed=job.recipe.seed)
    return [row for row in made if row.pair_id not in held], [
        row for row in made if row.pair_id in held
    ]


def _device() -> Device:
    import psutil
    import torch

    gpu = torch.cuda.is_available()
    return Device(
        gpu=gpu,
        compute_bytes=weights.compute_type().itemsize,
        free=hardware.free_gpu_memory()[0] if gpu else hardware.free_memory(),
        process=0 if gpu else psutil.Process().memory_info().rss,
        shares=processes.count() if processes.is_sharded() else 1,
    )


def _probe_training(job: Job, counted: Counted, scratch: Path, needs: Needs) -> probe.Trained:
    """Raises BadInput where not even a few steps fit into memory."""
    import torch

    job.report(Progress(stage=Stage.PREPARING, note="measuring a few steps"))
    try:
        return probe.train(job, counted.fitting, scratch)
    except torch.OutOfMemoryError:
        fits.refuse_memory(job.recipe, needs, longest=counted.longest)
        raise BadInput(
            "Memory ran out while a few steps were measured, though the run should have fitted.",
            fix="See that nothing else takes the device's memory, or halve batch_size.",
        ) from None


def _calibrated(job: Job, needs: Needs, trained: probe.Trained) -> Device:
    return memory.calibrated(
        replace(needs.device, process=trained.before),
        needs.shape,
        job.recipe,
        needs.batch(job.recipe),
        trained.peak,
    )


def _seconds(
    settled: Settled, steps: int, trained: probe.Trained, judged: probe.Evaluated
) -> Mapping[str, float]:
    """By stage, from what the probe measured. Stopping early would save some of it."""
    job, recipe, rows_ = settled.job, settled.job.recipe, settled.counted.fitting
    one_pass = sum(trained.seconds(len(row.input_ids)) for row in rows_)
    passes = steps * recipe.rows_at_once * recipe.accumulation / len(rows_)
    one_check = sum(trained.seconds(len(row.input_ids)) for row in settled.validating) / FORTH
    return {
        "loading": trained.load_seconds + judged.load_seconds,
        "training": one_pass * passes * _again(recipe),
        "thinking beforehand": one_pass / FORTH if recipe.way == "feedback" else 0.0,
        "validation": one_check * passes * fit.VALIDATIONS,
        "checkpoints": trained.checkpoint_seconds * (1 + steps // recipe.checkpoint_steps),
        **_to_judge(job, judged),
    }


def _to_judge(job: Job, judged: probe.Evaluated) -> Mapping[str, float]:
    """Every arm on the held-out questions, and base and tuned model on what guards a run."""
    rules = job.settings.train
    questions = min(len(job.heldout), rules.evaluation_questions)
    arms = len(Arm) + (1 if _is_rivalled(job) else 0)
    answers = min(questions, rules.generated_answers)
    read_and_written = answers * judged.row_seconds + judged.writing(
        answers, job.settings.serving.max_tokens
    )
    guards = ask.asked(job.train, job.heldout, rules)
    written = sum(judged.writing(count, tokens) for count, tokens in guards.written)
    return {
        "scoring": arms * questions * judged.row_seconds,
        "answering": len(Arm) * read_and_written,
        "guarding": 2 * (guards.rows * judged.general_seconds + written),
    }


def _again(recipe: Recipe) -> float:
    """How often rows are trained on: tasks also alone where that is compared, earlier stages replayed."""
    if recipe.way == "multitask" and recipe.compare_single:
        return 2.0
    return 1.0 + recipe.replay if recipe.way == "sequential" else 1.0


def _is_rivalled(job: Job) -> bool:
    """Whether the adapter that is served is scored as well."""
    with reading(job.engine) as db:
        return deployments.served(db) is not None
