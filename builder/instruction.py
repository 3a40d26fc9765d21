"""Instruction tuning: a job's questions with their answers in, an adapter that answers them out.

A share of the questions is asked with the passages that retrieval brings.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import structlog

from builder import encode, fit
from builder.dataset import Row
from builder.fit import Fitted
from builder.job import Job
from builder.library import Library
from builder.recipes import Recipe
from lorekeeper import prompt
from lorekeeper.artifacts import write_whole
from lorekeeper.domain import Progress, Stage

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = structlog.get_logger(__name__)


def train(job: Job) -> Fitted:
    """Train on the job's rows, from the last whole checkpoint where there is one, into its work folder."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.base)
    made = examples(job.train, job.recipe, job.library, tokenizer)
    fitting, too_long = encode.fitting(made, job.recipe.max_tokens)
    if too_long:
        log.warning("rows left out", pairs=[row.pair_id for row in too_long])
    write_whole(job.work / "left-out.json", json.dumps([asdict(row) for row in too_long]))
    job.report(Progress(stage=Stage.PREPARING, note="loading the base model"))
    model = fit.load(job.base, job.recipe)
    fitted = fit.fit(model, fitting, job.recipe, job.work, job.report)
    fit.save(model, job.work)
    return fitted


def examples(
    rows: Sequence[Row], recipe: Recipe, library: Library, tokenizer: PreTrainedTokenizerBase
) -> list[encode.Example]:
    """Every row, a share of them with what retrieval brings, most of those with the right passage.

    Rows without it teach the model not to trust a passage blindly (RAFT, Zhang et al. 2024).
    """
    chance = random.Random(recipe.seed)  # noqa: S311 - which rows get passages is no secret
    made = []
    for row in rows:
        with_passages = chance.random() < recipe.with_passages
        with_own = chance.random() < recipe.with_own_passage
        found = (
            library.passages(row.question, conversation="" if with_own else row.conversation)
            if with_passages
            else []
        )
        messages = prompt.messages(row.question, passages=found)
        made.append(encode.example(row.pair_id, messages, row.answer, tokenizer))
    return made
