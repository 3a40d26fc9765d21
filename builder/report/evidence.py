"""What a run left behind in; everything that its report tells, kept beside the adapter and read back, out.

The evidence of a run is one JSON file in the adapter's folder, so that the page and the pictures can be
made anywhere, at any time, and for any readers: `for_readers` takes away the words that some may not see.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from builder.dataset import Row
from builder.freeze import difference
from builder.report.energy import Energy
from builder.report.judge import Judgement
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import (
    PUBLIC,
    Adapter,
    Arm,
    ArmScore,
    Evaluation,
    TaskScore,
    Verdict,
    public_of,
)
from lorekeeper.paired import interval
from lorekeeper.store.rows import plain, revive

FILE = "report.json"
WITHHELD = ""
"""In place of words that the readers of a report may not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something was said, and so who may read it."""

    scope: str
    channel: str

    def is_open_to(self, scopes: Collection[str]) -> bool:
        return self.scope in scopes or (self.scope == PUBLIC and public_of(self.channel) in scopes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Nats for each answer token that was learned, or checked, at a step."""

    step: int
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A held-out question's answers by base + retrieval and by tuned + retrieval."""

    question: int  # its number in the evaluation
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A pair that was not trained on because it is too long."""

    pair_id: int
    tokens: int
    question: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A pair that came, went or was reworded since the dataset of the adapter before."""

    what: str  # "new", "gone" or "reworded"
    pair_id: int
    question: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """What a share of the data gave: a point of the learning curve."""

    rows: int
    loss: float  # held-out, with retrieval, nats per answer token
    low: float  # 95 % interval
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Growing shares of the same data by the same recipe, and what more of it is forecast to give."""

    points: tuple[Grown, ...]
    ahead: Grown
    base: float  # loss of the base with retrieval


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a report tells. What was not measured is empty."""

    run: int
    at: float  # when the run ended
    evaluation: Evaluation
    verdict: Verdict
    adapter: str = ""  # its name, once it has one
    about: Mapping[str, Any] = field(default_factory=dict)  # how to make it again: the manifest
    dataset: str = ""
    train: int = 0  # pairs
    heldout: int = 0
    places: tuple[Place, ...] = ()  # of the held-out questions, in their order
    training: tuple[Loss, ...] = ()
    validation: tuple[Loss, ...] = ()
    best_step: int | None = None
    told: tuple[Told, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    since: str = ""  # the dataset version that `changes` are counted from
    changes: tuple[Changed, ...] = ()
    planned: Mapping[str, float] = field(default_factory=dict)
    real: Mapping[str, float] = field(default_factory=dict)
    energy: Energy | None = None
    judged: Judgement | None = None  # by a model, beside the gate
    curve: Curve | None = None

    @property
    def title(self) -> str:
        return f"Adapter {self.adapter}" if self.adapter else f"Run {self.run}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A held-out question that tuning answers better or worse, with both answers where they were made."""

    question: str
    reference: str
    before: str | None
    after: str | None
    difference: float  # nats per token of the reference, tuned + retrieval minus base + retrieval
    is_open: bool  # whether the readers may see its words


def write(folder: Path, evidence: Evidence) -> None:
    """Keep the evidence, and the page as it is now, in the adapter's folder."""
    from builder.report.page import page

    kept = json.dumps(plain(evidence), ensure_ascii=False, sort_keys=True)
    (folder / FILE).write_text(kept, encoding="utf-8")
    (folder / "report.html").write_text(page(evidence), encoding="utf-8")


def of(adapter: Adapter, artifacts: ArtifactStore) -> Evidence:
    """The evidence of an adapter, under its name.

    Raises:
        NotFound: its folder is not in the artifact store.
    """
    path = artifacts.open(adapter.folder) / FILE
    if path.is_file():
        kept = revive(Evidence, json.loads(path.read_text(encoding="utf-8")))
        return replace(kept, adapter=adapter.name)
    return Evidence(  # made by a program that kept no evidence: what the database knows
        run=adapter.run_id,
        at=adapter.created_at,
        adapter=adapter.name,
        evaluation=adapter.evaluation,
        verdict=adapter.verdict,
    )


def for_readers(evidence: Evidence, scopes: Collection[str]) -> Evidence:
    """The same figures, without the words that were said where these readers may not look.

    A question whose place is not known is nobody's to read.
    """
    questions = evidence.evaluation.questions
    known = len(evidence.places) == len(questions)
    is_open = [known and evidence.places[n].is_open_to(scopes) for n in range(len(questions))]
    return replace(
        evidence,
        evaluation=_without_words(evidence.evaluation, is_open),
        told=tuple(one for one in evidence.told if is_open[one.question]),
        left_out=tuple(
            one if one.place.is_open_to(scopes) else replace(one, question=WITHHELD)
            for one in evidence.left_out
        ),
        changes=tuple(
            one if one.place.is_open_to(scopes) else replace(one, question=WITHHELD)
            for one in evidence.changes
        ),
    )


def moved(evidence: Evidence, most: int) -> tuple[list[Moved], list[Moved]]:
    """The held-out questions that tuning made better, and those that it made worse; the furthest first."""
    differences = nats(evidence.evaluation)
    order = sorted(range(len(differences)), key=differences.__getitem__)
    better = [n for n in order if differences[n] < 0][:most]
    worse = [n for n in reversed(order) if differences[n] > 0][:most]
    return [_moved(evidence, n) for n in better], [_moved(evidence, n) for n in worse]


def nats(evaluation: Evaluation) -> list[float]:
    """Of each question: nats per token, tuned + retrieval minus base + retrieval; below zero is better."""
    found = {score.arm: score.nll for score in evaluation.arms}
    tuned, base = found.get(Arm.TUNED_RETRIEVAL, ()), found.get(Arm.RETRIEVAL, ())
    return [new - old for new, old in zip(tuned, base, strict=True)]


def places(rows: Sequence[Row]) -> tuple[Place, ...]:
    return tuple(map(_place, rows))


def changes(before: Sequence[Row], after: Sequence[Row]) -> tuple[Changed, ...]:
    """What a dataset has that an earlier one has not, and the other way round."""
    found = difference(before, after)
    kinds = (("new", found.added), ("gone", found.gone), ("reworded", found.reworded))
    return tuple(
        Changed(what=what, pair_id=row.pair_id, question=row.question, place=_place(row))
        for what, rows in kinds
        for row in rows
    )


def left_out(work: Path, rows: Sequence[Row]) -> tuple[LeftOut, ...]:
    """What training left out, as it noted in `left-out.json`."""
    by_id = {row.pair_id: row for row in rows}
    return tuple(
        LeftOut(
            pair_id=one["pair_id"],
            tokens=one["tokens"],
            question=by_id[one["pair_id"]].question,
            place=_place(by_id[one["pair_id"]]),
        )
        for one in _json(work / "left-out.json", [])
        if one["pair_id"] in by_id
    )


def losses(work: Path, name: str) -> tuple[Loss, ...]:
    """One of the losses in `metrics.jsonl`, by step. A step that was done again counts as it was last."""
    path = work / "metrics.jsonl"
    if not path.is_file():
        return ()
    lines = path.read_text(encoding="utf-8").splitlines()
    found = {entry["step"]: entry[name] for entry in map(json.loads, lines) if name in entry}
    return tuple(Loss(step=step, loss=loss) for step, loss in sorted(found.items()))


def curve(folder: Path) -> Curve | None:
    """What `builder.curve` left in its folder, where it was seen to its end."""
    ahead, base = _json(folder / "forecast.json", None), _json(folder / "base.json", None)
    if ahead is None or base is None:
        return None
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("point-*.json")]
    return Curve(
        points=tuple(_grown(point) for point in sorted(kept, key=lambda point: point["rows"])),
        ahead=Grown(
            rows=ahead["rows"],
            loss=ahead["loss"],
            low=ahead["loss"] + ahead["low"] - ahead["change"],
            high=ahead["loss"] + ahead["high"] - ahead["change"],
        ),
        base=sum(base) / len(base),
    )


def _grown(point: Mapping[str, Any]) -> Grown:
    losses: list[float] = point["losses"]
    low, high = interval(losses)
    return Grown(rows=point["rows"], loss=sum(losses) / len(losses), low=low, high=high)


def _moved(evidence: Evidence, number: int) -> Moved:
    evaluation = evidence.evaluation
    told = next((one for one in evidence.told if one.question == number), None)
    return Moved(
        question=evaluation.questions[number],
        reference=evaluation.references[number],
        before=told.before if told else _generated(evaluation, Arm.RETRIEVAL, number),
        after=told.after if told else _generated(evaluation, Arm.TUNED_RETRIEVAL, number),
        difference=nats(evaluation)[number],
        is_open=evaluation.questions[number] != WITHHELD,
    )


def _generated(evaluation: Evaluation, arm: Arm, number: int) -> str | None:
    answers = evaluation.arm(arm).answers
    return answers[number] if number < len(answers) else None


def _without_words(evaluation: Evaluation, is_open: Sequence[bool]) -> Evaluation:
    def kept(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            text if open_ else WITHHELD for text, open_ in zip(texts, is_open, strict=False)
        )

    def without(score: ArmScore) -> ArmScore:
        return replace(score, answers=kept(score.answers))

    return replace(
        evaluation,
        questions=kept(evaluation.questions),
        references=kept(evaluation.references),
        arms=tuple(map(without, evaluation.arms)),
        tasks=tuple(map(_without_rows, evaluation.tasks)),
    )  # `memorised` names people by id, whom the page only counts


def _without_rows(score: TaskScore) -> TaskScore:
    """A task's rows name no place, so their words are for nobody."""
    arms = tuple(replace(arm, answers=()) for arm in score.arms)
    return replace(score, inputs=(), references=(), arms=arms)


def _place(row: Row) -> Place:
    return Place(scope=row.scope, channel=row.channel)


def _json(path: Path, otherwise: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else otherwise
