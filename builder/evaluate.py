"""A base and what became of it, and held-out questions, in; every arm's scores and every guard's, out.

Everything is scored at the precision that is served, first of the base, then of what was trained. What
was finished is kept in the run's folder: an evaluation that was killed goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from builder.dataset import Row
from builder.guards import ask
from builder.kept import Kept
from builder.library import Library
from builder.measures.measure import measure
from builder.meter import Meter, Report
from builder.scoring import Judged, Written, answer, score, write
from lorekeeper import prompt
from lorekeeper.domain import Arm, ArmScore, Evaluation, Passage, said_when
from lorekeeper.prompt import Turn
from lorekeeper.settings import Train
from lorekeeper.text import token_f1

SHOTS = 3  # pairs that the prompted arm is shown
TUNED = frozenset({Arm.TUNED, Arm.TUNED_RETRIEVAL})
WITH_PASSAGES = frozenset({Arm.RETRIEVAL, Arm.TUNED_RETRIEVAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """What one arm did."""

    nll: tuple[float, ...]
    written: tuple[Written, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the arms are asked."""

    heldout: Sequence[Row]
    passages: Sequence[Sequence[Passage]]  # that retrieval brings for each question
    prompts: Mapping[Arm, Sequence[Sequence[Turn]]]
    generate: int

    @property
    def rows(self) -> int:
        """Rows that each arm scores or answers."""
        return len(self.heldout) + self.generate


def evaluate(
    judged: Judged,
    library: Library,
    heldout: Sequence[Row],
    *,
    rules: Train,
    trained: Sequence[Row] = (),
    work: Path | None = None,
    shared: Path | None = None,
    report: Report = lambda done, of, what: None,
) -> Evaluation:
    """Score every arm on `heldout`, answer its first questions, and measure what guards a run.

    `trained` are the rows that were trained on. `work` keeps what was finished for the next attempt of
    the same run, `shared` what is true of the base whatever the run. `report` is called after every
    batch, and may raise to stop.
    """
    asked = _asked(library, heldout, rules)
    guarded = ask.asked(trained, heldout, rules)
    meter = Meter(report=report, of=len(Arm) * asked.rows + 2 * guarded.rows)
    sides = [
        _side(judged.base(), "base", asked, guarded, Kept(work), Kept(shared), meter),
        _side(judged.tuned(), "tuned", asked, guarded, Kept(work), Kept(work), meter),
    ]
    (_, before), (_, after) = sides
    done = {arm: scored for arms, _ in sides for arm, scored in arms.items()}
    return Evaluation(
        questions=tuple(row.question for row in heldout),
        references=tuple(row.answer for row in heldout),
        conversations=tuple(row.conversation for row in heldout),
        times=tuple(said_when(row.answer_ts) for row in heldout),
        arms=tuple(_arm(arm, done[arm], asked, library) for arm in Arm),
        precision=judged.precision,
        probes=ask.probes(before, after),
        bias=ask.leanings(guarded, before, after),
        memorised=ask.memorised(guarded, before, after),
        learned=ask.learned(guarded, before, after),
    )


def _side(
    opened: AbstractContextManager[Judged],
    name: str,
    asked: _Asked,
    guarded: ask.Asked,
    work: Kept,
    shared: Kept,
    meter: Meter,
) -> tuple[dict[Arm, _Scored], ask.Side]:
    """The arms of one of the two models, and its side of every guard."""
    arms = [arm for arm in Arm if (arm in TUNED) == (name == "tuned")]
    with opened as judged:
        scored = {arm: _scored(judged, arm, asked, work, meter) for arm in arms}
        with meter.part(guarded.rows):
            side = ask.ask(judged, name, guarded, work, shared, meter)
    return scored, side


def answer_as(
    judged: Judged, arm: Arm, prompts: Sequence[Sequence[Turn]], *, most: int | None = None
) -> list[str]:
    """Greedy answers of one arm, of at most `most` tokens."""
    with judged.tuned() if arm in TUNED else judged.base() as asked:
        return answer(asked, prompts, most=most)


def losses(judged: Judged, arm: Arm, rows: Sequence[Row], library: Library) -> list[float]:
    """Nats per token of each row's answer, asked as this arm is; of the model as it is now."""
    prompts = [prompt_for(arm, row, library) for row in rows]
    return score(judged, prompts, [row.answer for row in rows])


def prompt_for(arm: Arm, row: Row, library: Library) -> list[Turn]:
    """What this arm is asked: the question alone, with similar pairs, or with passages."""
    if arm in WITH_PASSAGES:
        found = library.passages(row.question, conversation=row.conversation)
        return prompt.messages(row.question, passages=found)
    if arm is Arm.PROMPTED:
        return prompt.messages(row.question, examples=library.examples(row.question, SHOTS))
    return prompt.messages(row.question)


def _asked(library: Library, heldout: Sequence[Row], rules: Train) -> _Asked:
    passages = [library.passages(row.question, conversation=row.conversation) for row in heldout]
    found = list(zip(heldout, passages, strict=True))
    with_passages = [prompt.messages(row.question, passages=shown) for row, shown in found]
    alone = {
        arm: [prompt_for(arm, row, library) for row in heldout]
        for arm in Arm
        if arm not in WITH_PASSAGES
    }
    return _Asked(
        heldout=heldout,
        passages=passages,
        prompts={**alone, **dict.fromkeys(WITH_PASSAGES, with_passages)},
        generate=min(rules.generated_answers, len(heldout)),
    )


def _scored(judged: Judged, arm: Arm, asked: _Asked, kept: Kept, meter: Meter) -> _Scored:
    """The losses of one arm, and its answers."""
    prompts = asked.prompts[arm]
    references = [row.answer for row in asked.heldout]

    def work_out() -> _Scored:
        alive = meter.on(f"scoring {arm.value}")
        losses = score(judged, prompts, references, alive)
        alive = meter.on(f"answering as {arm.value}")
        written = write(judged, prompts[: asked.generate], alive=alive)
        return _Scored(nll=tuple(losses), written=tuple(written))

    setup = [judged.precision, judged.max_tokens, asked.generate]
    with meter.part(asked.rows):
        return kept.value(_Scored, arm.name.lower(), [setup, prompts, references], work_out)


def _arm(arm: Arm, scored: _Scored, asked: _Asked, library: Library) -> ArmScore:
    answered = asked.heldout[: len(scored.written)]
    references = [row.answer for row in answered]
    shown = asked.passages if arm in WITH_PASSAGES else [()] * len(asked.passages)
    found = measure(scored.written, references, shown[: len(scored.written)], library.embedder)
    told = [one.text for one in scored.written]
    return ArmScore(
        arm=arm,
        nll=scored.nll,
        f1=tuple(token_f1(said, wanted) for said, wanted in zip(told, references, strict=True)),
        answers=tuple(told),
        measures=found,
    )
