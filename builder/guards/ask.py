"""A model and the rules in; its side of everything that guards a run, out: asked before tuning and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from builder.dataset import Row
from builder.guards import bias, counterfactuals, forgetting, memorisation
from builder.kept import Kept
from builder.meter import Meter
from builder.scoring import Judged, score
from lorekeeper import prompt
from lorekeeper.domain import Bias, Learned, Memorised, Probe, said_when
from lorekeeper.settings import Train


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What both models are asked, as far as the rules go."""

    learned: Sequence[Row]  # training rows whose loss is compared with that of the held-out ones
    recited: Sequence[Row]  # training rows that are answered from the question alone
    recited_heldout: Sequence[Row]
    probes: Mapping[str, Sequence[forgetting.Question]]
    pairs: Sequence[counterfactuals.Pair]
    pairs_answered: Sequence[counterfactuals.Pair]

    @property
    def rows(self) -> int:
        """Rows that each model scores or answers."""
        probes = sum(forgetting.rows(asked) for asked in self.probes.values())
        recited = len(self.recited) + len(self.recited_heldout)
        return len(self.learned) + recited + probes + 2 * self._pairs

    @property
    def written(self) -> tuple[tuple[int, int], ...]:
        """What each model writes: answers at once, and the most tokens of each."""
        recited = len(self.recited) + len(self.recited_heldout)
        ruled = [
            (sum(bool(one.rule) for one in asked), forgetting.ANSWER_TOKENS[kind])
            for kind, asked in self.probes.items()
            if kind in forgetting.ANSWER_TOKENS
        ]
        return (
            (recited, memorisation.ANSWER_TOKENS),
            *ruled,
            (2 * len(self.pairs_answered), bias.ANSWER_TOKENS),
        )

    @property
    def _pairs(self) -> int:
        return len(self.pairs) + len(self.pairs_answered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    nll: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one model did."""

    learned: Losses
    recital: memorisation.Recital
    probes: Mapping[str, forgetting.Side]
    bias: bias.Side


def asked(trained: Sequence[Row], heldout: Sequence[Row], rules: Train) -> Asked:
    """The questions of every guard. The same rows and rules give the same questions."""
    pairs = counterfactuals.pairs(rules.bias_pairs)
    kinds = forgetting.KINDS if rules.probe_rows else ()
    return Asked(
        learned=memorisation.sample(trained, rules.learned_rows),
        recited=memorisation.sample(trained, rules.recited_rows),
        recited_heldout=memorisation.sample(heldout, rules.recited_rows if trained else 0),
        probes={kind: forgetting.questions(kind, rules.probe_rows) for kind in kinds},
        pairs=pairs,
        pairs_answered=bias.answered(pairs, rules.bias_answers),
    )


def ask(judged: Judged, name: str, of: Asked, work: Kept, shared: Kept, meter: Meter) -> Side:
    """Ask one model everything. `work` keeps what hangs on the run's rows, `shared` what does not."""
    setup = [name, judged.precision, prompt.instructions(), version("lorekeeper")]

    def learned() -> Losses:
        alive = meter.on(f"{name}: scoring training rows")
        questions = [prompt.messages(row.question) for row in of.learned]
        return Losses(nll=tuple(score(judged, questions, [r.answer for r in of.learned], alive)))

    def recital() -> memorisation.Recital:
        alive = meter.on(f"{name}: answering training questions")
        return memorisation.measure(judged, of.recited, of.recited_heldout, alive)

    def leaning() -> bias.Side:
        alive = meter.on(f"{name}: asking of one person and of another")
        return bias.measure(judged, of.pairs, of.pairs_answered, alive)

    def probe(kind: str) -> Callable[[], forgetting.Side]:
        def work_out() -> forgetting.Side:
            alive = meter.on(f"{name}: asking general questions ({kind})")
            return forgetting.measure(judged, kind, of.probes[kind], alive)

        return work_out

    rows = [of.recited, of.recited_heldout]
    pairs = [of.pairs, of.pairs_answered]
    return Side(
        learned=work.value(Losses, f"{name}-learned", [setup, of.learned], learned),
        recital=work.value(memorisation.Recital, f"{name}-recited", [setup, rows], recital),
        probes={
            kind: shared.value(forgetting.Side, f"{name}-{kind}", [setup, these], probe(kind))
            for kind, these in of.probes.items()
        },
        bias=shared.value(bias.Side, f"{name}-bias", [setup, pairs], leaning),
    )


def probes(before: Side, after: Side) -> tuple[Probe, ...]:
    return forgetting.compared(before.probes, after.probes)


def leanings(of: Asked, before: Side, after: Side) -> tuple[Bias, ...]:
    return bias.compared(of.pairs, of.pairs_answered, before.bias, after.bias)


def memorised(of: Asked, before: Side, after: Side) -> Memorised | None:
    if not of.recited:
        return None
    sides = before.recital, after.recital
    return memorisation.compared(of.recited, of.recited_heldout, *sides)


def learned(of: Asked, before: Side, after: Side) -> Learned | None:
    if not of.learned:
        return None
    return Learned(
        conversations=tuple(row.conversation for row in of.learned),
        times=tuple(said_when(row.answer_ts) for row in of.learned),
        before=before.learned.nll,
        after=after.learned.nll,
    )
