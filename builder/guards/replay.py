"""A base in; its own answers to general prompts, for a run to rehearse, out.

Rows of the model's own making keep what it knew at a tenth of the rows, and need nothing to be fetched
(Huang et al., "Mitigating Catastrophic Forgetting in LLMs with Self-Synthesized Rehearsal", 2024;
"On-Policy Replay", 2026: backward transfer from -13.9 to -0.7 at 10 %). They are written greedily, once for
each base, and kept in the data folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from builder import encode
from builder.guards import forgetting
from builder.guards.general import prompts
from builder.job import Job, heed
from builder.kept import Kept
from builder.measures.measure import repeated
from builder.recipes import Recipe
from builder.scoring import Alive, Judged, Written, load_base, write
from lorekeeper import identity, prompt
from lorekeeper.domain import Progress, Run, Stage
from lorekeeper.settings import Settings, Train
from lorekeeper.store import adapters, reading
from lorekeeper.text import words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHARE = 0.1  # of the rows, where the last run forgot
TOKENS = 96  # of an answer; what does not end by then is left out
MOST = 180  # prompts that there are
PORTION = 24  # prompts answered before what was written is kept
REPEATED = 0.2  # share of repeated runs of words from which an answer goes round in circles
FEWEST = 3  # words from which a language can be told


@dataclass(frozen=True, slots=True, kw_only=True)
class _Portion:
    written: tuple[Written, ...]


def examples(job: Job, count: int, tokenizer: PreTrainedTokenizerBase) -> list[encode.Example]:
    """What a run with `count` rows of its own rehearses. A dataset's pairs have ids above 0, these below."""
    with reading(job.engine) as db:
        wanted = share(db, job.run, job.recipe, job.settings.train) * count

    def alive(_: int) -> None:
        note = "the base answers general questions, to rehearse"
        heed(job.report(Progress(stage=Stage.PREPARING, note=note)))

    def load() -> Judged:
        return load_base(job.base, job.settings)

    return [
        encode.example(-number, prompt.messages(question), answer, tokenizer)
        for number, (question, answer) in enumerate(
            rows(job.base, job.settings, round(wanted), load, alive), 1
        )
    ]


def rows(
    base: Path,
    settings: Settings,
    count: int,
    load: Callable[[], Judged],
    alive: Alive = lambda done: None,
) -> list[tuple[str, str]]:
    """At most `count` questions with the base's own answers, those that are fit to learn from.

    `load` is called where answers are still missing: with every answer kept, no model is needed.
    """
    kept = Kept(settings.store.data / "guards" / identity.of(base, settings.store.data).short)
    loaded = cache(load)

    def written(questions: Sequence[str]) -> _Portion:
        turns = [prompt.messages(question) for question in questions]
        return _Portion(written=tuple(write(loaded(), turns, most=TOKENS, alive=alive)))

    found: list[tuple[str, str]] = []
    asked = prompts(MOST)
    while asked and len(found) < count:
        questions, asked = asked[:PORTION], asked[PORTION:]
        setup = [questions, prompt.instructions(), TOKENS]
        done = kept.value(_Portion, "rehearsed", setup, partial(written, questions))
        found += [
            (question, one.text)
            for question, one in zip(questions, done.written, strict=True)
            if is_fit(question, one)
        ]
    return found[:count]


def is_fit(question: str, told: Written) -> bool:
    """Ends by itself, says something, does not go round in circles, is in the wanted language."""
    if not told.stopped or not words(told.text) or repeated(told.text) > REPEATED:
        return False
    return _is_in_wanted_language(question, told.text)


def share(db: Connection, run: Run, recipe: Recipe, rules: Train) -> float:
    """What share of the rows is rehearsed: the recipe's, or `SHARE` where the last run of this base forgot."""
    if recipe.rehearse != "auto":
        return recipe.rehearse
    earlier = [
        one
        for one in adapters.all(db)
        if one.run_id < run.id and one.base_model == run.base_model and one.evaluation.probes
    ]
    last = max(earlier, key=lambda one: one.run_id, default=None)
    return SHARE if last is not None and forgetting.has_forgotten(last.evaluation, rules) else 0.0


def _is_in_wanted_language(question: str, answer: str) -> bool:
    """English, or French where a translation was asked for; a few words tell no language."""
    import py3langid

    said = words(answer)
    if len(said) < 2 * FEWEST:
        return True
    language = str(py3langid.classify(answer)[0])
    return language == ("fr" if "French" in question else "en")
