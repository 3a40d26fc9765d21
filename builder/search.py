"""A run's data in; better hyperparameters than the dial's, where there are some, and what they gain, out.

Optuna tries settings around the dial's on a part of the training conversations, and stops those early
that fall behind on others of them. Then the winner and the dial are trained on all of them and
compared on the held-out questions, by which neither was chosen. A search that was cut off goes on
where it was: its trials are in a database in the data folder.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder import aware, candidate, curve, encode, evaluate, fit, instruction
from builder.dataset import Row
from builder.encode import Example
from builder.job import Job
from builder.plan.make import dialled
from builder.recipes import Recipe
from lorekeeper.artifacts import write_whole
from lorekeeper.domain import Arm, Progress, Run
from lorekeeper.errors import BadInput
from lorekeeper.paired import Difference, paired

if TYPE_CHECKING:
    import optuna

VALIDATION = 0.2  # of the training conversations, to choose by
SUBSET = 0.5  # of the others, to train the trials on
FEWEST = 40  # training rows; with fewer, the part that chooses is noise
TRIALS_FIRST = 4  # trials that nothing is pruned by, and that are drawn at random
STUDY = "study.sqlite"
RATES, EPOCHS = (0.25, 4.0), (0.5, 2.0)  # times the dial's
DROPOUTS = (0.0, 0.05, 0.1)


def search(job: Job) -> str:
    """Try settings, compare the best with the dial, write it as a recipe, and say what it gained.

    Fields that the recipe or a person sets are left as they are.

    Raises:
        BadInput: too few rows to choose by, or nothing is left to choose.
        Cancelled: somebody asked for the run to stop; the trials that are finished are kept.
    """
    if len(job.train) < FEWEST:
        raise BadInput(
            f"There are {len(job.train)} rows to train on; a search needs {FEWEST}.",
            fix="Approve more answers, or trust the dial.",
        )
    start = dialled(job).job.recipe
    open_fields = _Space.of(job.recipe, start, job.settings.serving.max_lora_rank)
    folder = job.settings.store.data / "searches" / curve.kept_in(job).name
    folder.mkdir(parents=True, exist_ok=True)
    study = _study(folder, start.seed)
    _try_settings(job, study, open_fields, folder)
    winner = open_fields.recipe(study.best_trial.params)
    tried = len(study.trials)
    if winner == start:
        return f"The dial's own settings were the best of {tried} that were tried."
    found = _compare(job, start, winner, folder)
    written = _write(job, winner, found)
    return _told(start, winner, found, tried, written)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Space:
    """What may be changed, around the dial's recipe."""

    start: Recipe
    fields: Mapping[str, Sequence[Any]]  # a pair of bounds for numbers, else the choices

    @classmethod
    def of(cls, given: Recipe, start: Recipe, most_rank: int) -> _Space:
        around: dict[str, Sequence[Any]] = {
            "learning_rate": [start.learning_rate * times for times in RATES],
            "epochs": [max(0.5, start.epochs * times) for times in EPOCHS],
            "rank": [
                rank for rank in (start.rank // 2, start.rank, 2 * start.rank) if 1 <= rank <= most_rank
            ],
            "accumulation": sorted({max(1, start.accumulation // 2), start.accumulation, 2 * start.accumulation}),
            "dropout": DROPOUTS,
        }  # fmt: skip
        fields = {
            name: choices for name, choices in around.items() if name not in given.model_fields_set
        }
        if not fields:
            raise BadInput(
                "Everything that a search would choose is set by the recipe or the options.",
                fix=f"Leave at least one of these open: {', '.join(around)}.",
            )
        return cls(start=start, fields=fields)

    def suggested(self, trial: optuna.Trial) -> Recipe:
        return self.recipe({name: self._suggest(trial, name) for name in self.fields})

    def recipe(self, values: Mapping[str, Any]) -> Recipe:
        changed = dict(values)
        if "rank" in changed and self.start.alpha == 2 * self.start.rank:
            changed["alpha"] = 2 * changed["rank"]
        return self.start.model_copy(update=changed)

    def begin(self) -> dict[str, Any]:
        """The dial's own values: the first that is tried."""
        return {name: getattr(self.start, name) for name in self.fields}

    def _suggest(self, trial: optuna.Trial, name: str) -> Any:
        choices = self.fields[name]
        if name == "learning_rate":
            return trial.suggest_float(name, *choices, log=True)
        if name == "epochs":
            return trial.suggest_float(name, *choices)
        return trial.suggest_categorical(name, choices)


def _study(folder: Path, seed: int) -> optuna.Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=f"sqlite:///{folder / STUDY}",
        study_name="search",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=TRIALS_FIRST),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=TRIALS_FIRST),
    )


def _try_settings(job: Job, study: optuna.Study, space: _Space, folder: Path) -> None:
    """As many trials as are wanted, those of an earlier attempt among them."""
    from optuna.trial import TrialState

    for cut_off in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(cut_off.number, state=TrialState.FAIL)
        study.enqueue_trial(cut_off.params, skip_if_exists=False)
    if not study.trials:
        study.enqueue_trial(space.begin())
    learned, judging = _parts(job)
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    while (done := len(study.get_trials(states=ended))) < job.settings.train.search_trials:
        trial = partial(_trial, job, space, learned, judging, folder, done)
        study.optimize(trial, n_trials=1)


def _trial(
    job: Job,
    space: _Space,
    learned: Sequence[Example],
    judging: Sequence[Example],
    folder: Path,
    done: int,
    trial: optuna.Trial,
) -> float:
    """The lowest validation loss of these settings; stopped where others were ahead at that point."""
    import optuna

    recipe = space.suggested(trial).model_copy(update={"patience": 0})
    work = folder / f"trial-{_name(trial.params)}"
    work.mkdir(exist_ok=True)
    best: list[float] = []

    def report(progress: Progress) -> Run:
        note = f"trial {done + 1} of {job.settings.train.search_trials}"
        if progress.validation_loss is not None and progress.steps:
            best.append(progress.validation_loss)
            trial.report(min(best), round(100 * progress.step / progress.steps))
            if trial.should_prune():
                raise optuna.TrialPruned
        return job.report(replace(progress, note=note))

    model = fit.load(job.base, recipe)
    fitted = fit.fit(model, learned, recipe, work, report, validation=judging)
    return min(loss for _, loss in fitted.validation)


def _parts(job: Job) -> tuple[list[Example], list[Example]]:
    """Rows to train the trials on, and rows to choose by; no conversation is in both."""
    from transformers import AutoTokenizer

    conversations = sorted({row.conversation for row in job.train})
    random.Random(job.recipe.seed).shuffle(conversations)  # noqa: S311 - an order is no secret
    first = max(1, round(VALIDATION * len(conversations)))
    last = first + max(1, round(SUBSET * (len(conversations) - first)))
    tokenizer = AutoTokenizer.from_pretrained(job.base)

    def encoded(chosen: Sequence[str]) -> list[Example]:
        rows: list[Row] = [row for row in job.train if row.conversation in set(chosen)]
        made = aware.examples(rows, job.recipe, job.library, tokenizer)
        return encode.fitting(made, job.recipe.max_tokens)[0]

    return encoded(conversations[first:last]), encoded(conversations[:first])


def _compare(job: Job, start: Recipe, winner: Recipe, folder: Path) -> Difference:
    """Winner minus dial on every held-out question, both trained on all training rows."""
    losses = [
        _held_out(replace(job, recipe=recipe), folder / name, told)
        for recipe, name, told in (
            (start, "dial", "the dial on all rows"),
            (winner, f"winner-{_name(winner.model_dump(mode='json'))}", "the winner on all rows"),
        )
    ]
    return paired(losses[1], losses[0], [row.conversation for row in job.heldout])


def _held_out(job: Job, work: Path, told: str) -> list[float]:
    done = work / "losses.json"
    if not done.is_file():
        work.mkdir(exist_ok=True)

        def report(progress: Progress) -> Run:
            return job.report(replace(progress, note=told))

        instruction.train(replace(job, work=work, report=report))
        judged = candidate.judged(job.base, work, job.settings)
        losses = evaluate.losses(judged, Arm.TUNED_RETRIEVAL, job.heldout, job.library)
        write_whole(done, json.dumps(losses))
    return [float(loss) for loss in json.loads(done.read_text(encoding="utf-8"))]


def _write(job: Job, winner: Recipe, found: Difference) -> Path:
    """The winner as a recipe of the team's own."""
    about = f"Found by a search: {found.mean:+.3f} nats per answer token against the dial"
    path = job.settings.store.data / "recipes" / f"searched-{job.run.id}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, "".join(lines(winner.model_copy(update={"about": about}))))
    return path


def lines(recipe: Recipe) -> Iterator[str]:
    """The recipe as TOML: what differs from the defaults, and all that the dial would set."""
    fresh = Recipe().model_dump(mode="json", exclude_none=True)
    for name, value in recipe.model_dump(mode="json", exclude_none=True).items():
        if value != fresh.get(name) or name in _CHOSEN:
            yield f"{name} = {json.dumps(value, ensure_ascii=False)}\n"


def _told(start: Recipe, winner: Recipe, found: Difference, tried: int, written: Path) -> str:
    changes = ", ".join(
        f"{name} {getattr(winner, name):.3g} instead of {getattr(start, name):.3g}"
        for name in _CHOSEN
        if getattr(winner, name) != getattr(start, name)
    )
    figures = (
        f"{found.mean:+.3f} nats per answer token against the dial (95 % interval {found.low:+.3f} "
        f"to {found.high:+.3f}, {found.questions} held-out questions that it was not chosen by)"
    )
    if found.high < 0:
        answer = f"The search gained something: {figures}."
    elif found.low > 0:
        answer = f"The search lost something, keep to the dial: {figures}."
    else:
        answer = f"The search found nothing that is surely better than the dial: {figures}."
    return f"{answer} Best of {tried} trials: {changes}. Use it with: lore train --recipe {written.stem}"


def _name(values: Mapping[str, Any]) -> str:
    """A folder's name: a trial that was cut off and begins again goes on from its last checkpoint."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


_CHOSEN = ("rank", "alpha", "batch_size", "accumulation", "epochs", "learning_rate", "dropout")
