"""Instruction tuning: a job's questions with their answers in, an adapter that answers them out.

A share of the questions is asked with the passages that retrieval brings (`builder/aware.py`).
"""

from __future__ import annotations

import json
from dataclasses import asdict

import structlog

from builder import aware, encode, fit, split
from builder.fit import Fitted
from builder.guards import replay
from builder.job import Job
from lorekeeper.artifacts import write_whole
from lorekeeper.domain import Progress, Stage

log = structlog.get_logger(__name__)


def train(job: Job) -> Fitted:
    """Train on the job's rows, from the last whole checkpoint where there is one, into its work folder."""
    from transformers import AutoTokenizer

    recipe = job.recipe
    tokenizer = AutoTokenizer.from_pretrained(job.base)
    made = aware.examples(job.train, recipe, job.library, tokenizer)
    fitting, too_long = encode.fitting(made, recipe.max_tokens)
    if too_long:
        log.warning("rows left out", pairs=[row.pair_id for row in too_long])
    write_whole(job.work / "left-out.json", json.dumps([asdict(row) for row in too_long]))
    held = split.for_validation(job.train, share=recipe.validation, seed=recipe.seed)
    rehearsed = replay.examples(job, len(fitting), tokenizer)
    job.report(Progress(stage=Stage.PREPARING, note="loading the base model"))
    model = fit.load(job.base, recipe)
    fitted = fit.fit(
        model,
        [row for row in fitting if row.pair_id not in held] + rehearsed,
        recipe,
        job.work,
        job.report,
        validation=[row for row in fitting if row.pair_id in held],
        trackers=job.settings.train.trackers,
    )
    fit.save(model, job.work)
    return fitted
