"""Instruction tuning: a job's questions with their answers in, an adapter that answers them out.

A share of the questions is asked with the passages that retrieval brings (`builder/aware.py`).
"""

from __future__ import annotations

import json
from dataclasses import asdict

import structlog

from builder import aware, encode, fit
from builder.fit import Fitted
from builder.job import Job
from lorekeeper.artifacts import write_whole
from lorekeeper.domain import Progress, Stage

log = structlog.get_logger(__name__)


def train(job: Job) -> Fitted:
    """Train on the job's rows, from the last whole checkpoint where there is one, into its work folder."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.base)
    made = aware.examples(job.train, job.recipe, job.library, tokenizer)
    fitting, too_long = encode.fitting(made, job.recipe.max_tokens)
    if too_long:
        log.warning("rows left out", pairs=[row.pair_id for row in too_long])
    write_whole(job.work / "left-out.json", json.dumps([asdict(row) for row in too_long]))
    job.report(Progress(stage=Stage.PREPARING, note="loading the base model"))
    model = fit.load(job.base, job.recipe)
    fitted = fit.fit(model, fitting, job.recipe, job.work, job.report)
    fit.save(model, job.work)
    return fitted
