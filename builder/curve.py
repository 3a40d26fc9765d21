"""A run's data in; trained on growing shares of it, the answer whether more data would help, out.

Every share holds the smaller ones, and a conversation is in it whole. Each is trained by the same
recipe and the same rules for its steps, and scored on all held-out questions as the gate does: with
retrieval, at the precision that is served. Points that are finished are not trained again.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from builder import candidate, evaluate, instruction, power_law
from builder.dataset import Row
from builder.job import Job
from builder.plan.make import dialled
from builder.power_law import Forecast
from builder.scoring import load_judged
from lorekeeper import identity
from lorekeeper.artifacts import write_whole
from lorekeeper.domain import Arm, Progress, Run
from lorekeeper.errors import BadInput

SHARES = (0.12, 0.25, 0.5, 1.0)
FEWEST = 24  # rows; with fewer, the smallest share has next to nothing
MATTERS = 0.01  # nats per answer token: what nobody notices in an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One share of the data, trained and scored."""

    share: float
    rows: int
    losses: tuple[float, ...]  # of each held-out question, nats per answer token

    @property
    def loss(self) -> float:
        return sum(self.losses) / len(self.losses)


def draw(job: Job) -> str:
    """Train and score every share, draw the picture into the run's folder, and say what it means.

    Raises:
        BadInput: too few rows or held-out questions for a curve.
        Cancelled: somebody asked for the run to stop; the points that are finished are kept.
    """
    from builder.curve_picture import PICTURE, picture

    shares = _shares(job)
    folder = kept_in(job)
    folder.mkdir(parents=True, exist_ok=True)
    points = [_point(job, share, chosen, folder) for share, chosen in shares.items()]
    clusters = [row.conversation for row in job.heldout]
    ahead = power_law.forecast(
        [point.rows for point in points], [point.losses for point in points], clusters
    )
    base = _base_loss(job, folder)
    (job.work / PICTURE).write_bytes(picture(points, ahead, base))
    return told(points, ahead, base)


def told(points: Sequence[Point], ahead: Forecast, base: float) -> str:
    """Would more data help, and how much? In words, with the figures behind them."""
    last = points[-1]
    seen = ", ".join(f"{point.rows} rows {point.loss:.3f}" for point in points)
    figures = (
        f"{ahead.change:+.3f} nats per answer token "
        f"(95 % interval {ahead.low:+.3f} to {ahead.high:+.3f})"
    )
    if ahead.high < -MATTERS:
        answer = f"More answers would help: {ahead.rows} instead of {last.rows} are forecast to change the loss by {figures}."
    elif ahead.low > -MATTERS:
        answer = f"More answers would hardly help: {ahead.rows} instead of {last.rows} are forecast to change the loss by {figures}."
    else:
        answer = f"Whether more answers would help cannot be told yet: {ahead.rows} instead of {last.rows} are forecast to change the loss by {figures}."
    return f"{answer} Held-out loss with retrieval: base {base:.3f}, {seen}."


def kept_in(job: Job) -> Path:
    """Where this curve's points are: the same data, base and recipe go on where they were left."""
    about = json.dumps(
        {
            "dataset": job.run.dataset_id,
            "base": asdict(identity.of(job.base, job.settings.store.data)),
            "recipe": job.recipe.model_dump(mode="json"),
            "set": sorted(job.recipe.model_fields_set),
        },
        sort_keys=True,
    )
    return job.settings.store.data / "curves" / hashlib.sha256(about.encode()).hexdigest()[:16]


def _shares(job: Job) -> Mapping[float, Sequence[Row]]:
    """Nested shares of the training rows, drawn by conversation."""
    if len(job.train) < FEWEST or len(job.heldout) < 2:
        raise BadInput(
            f"There are {len(job.train)} rows to train on and {len(job.heldout)} to judge by; a learning curve needs {FEWEST} and 2.",
            fix="Approve more answers first: with so few, more always help.",
        )
    conversations = sorted({row.conversation for row in job.train})
    random.Random(job.recipe.seed).shuffle(conversations)  # noqa: S311 - an order is no secret
    chosen: dict[float, Sequence[Row]] = {}
    for share in SHARES:
        within = set(conversations[: max(1, round(share * len(conversations)))])
        chosen[share] = [row for row in job.train if row.conversation in within]
    return chosen


def _point(job: Job, share: float, chosen: Sequence[Row], folder: Path) -> Point:
    done = folder / f"point-{share:g}.json"
    if done.is_file():
        return _read(done)
    work = folder / f"share-{share:g}"
    work.mkdir(exist_ok=True)

    def report(progress: Progress) -> Run:
        note = f"{share:.0%} of the data ({len(chosen)} rows)"
        return job.report(replace(progress, note=note))

    part = dialled(replace(job, train=chosen, work=work, report=report)).job
    trained = work / "trained"
    if not trained.is_file():
        instruction.train(part)
        trained.touch()
    judged = candidate.judged(job.base, work, job.settings)
    losses = evaluate.losses(judged, Arm.TUNED_RETRIEVAL, job.heldout, job.library)
    point = Point(share=share, rows=len(chosen), losses=tuple(losses))
    write_whole(done, json.dumps(asdict(point)))
    return point


def _base_loss(job: Job, folder: Path) -> float:
    """The base with retrieval: what training starts from."""
    done = folder / "base.json"
    if not done.is_file():
        judged = load_judged(job.base, None, job.settings)
        losses = evaluate.losses(judged, Arm.RETRIEVAL, job.heldout, job.library)
        write_whole(done, json.dumps(losses))
    found = json.loads(done.read_text(encoding="utf-8"))
    return float(sum(found) / len(found))


def _read(path: Path) -> Point:
    about = json.loads(path.read_text(encoding="utf-8"))
    return Point(share=about["share"], rows=about["rows"], losses=tuple(about["losses"]))
