"""The gate promotes on evidence alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from builder.gate import FEWEST, judge
from lorekeeper.domain import (
    Arm,
    ArmScore,
    Bias,
    Evaluation,
    Learned,
    Memorised,
    Outcome,
    Preference,
    Probe,
    Recited,
)
from lorekeeper.settings import Train

LOSSES = st.lists(st.floats(0.1, 10), min_size=FEWEST, max_size=30)
GENERAL = (2.0,) * 24


def evaluation(
    tuned: Sequence[float], old: Sequence[float], after: Sequence[float] = GENERAL
) -> Evaluation:
    names = tuple(str(number) for number in range(len(old)))
    losses = dict.fromkeys(Arm, old) | {Arm.TUNED_RETRIEVAL: tuned}
    return Evaluation(
        questions=names,
        references=names,
        conversations=names,
        arms=tuple(ArmScore(arm=arm, nll=tuple(n), f1=(), answers=()) for arm, n in losses.items()),
        precision="float32",
        probes=(Probe(kind="reasoning", before=GENERAL, after=tuple(after)),),
    )


@given(LOSSES)
def test_the_same_is_never_promoted(old: list[float]) -> None:
    assert judge(evaluation(old, old), Train()).outcome is Outcome.UNDECIDED


def test_better_everywhere_is_promoted_and_says_by_how_much() -> None:
    old = [3.0 + n / 10 for n in range(20)]
    verdict = judge(evaluation([n - 0.2 for n in old], old), Train())
    assert verdict.outcome is Outcome.PROMOTE
    assert "-0.200 nats" in verdict.reasons[0]


def test_worse_is_kept_out() -> None:
    old = [3.0 + n / 10 for n in range(20)]
    assert judge(evaluation([n + 0.2 for n in old], old), Train()).outcome is Outcome.KEEP


def test_better_than_the_base_but_not_than_what_serves() -> None:
    old = [3.0] * 20
    better = [2.5] * 20
    verdict = judge(evaluation(better, old), Train(), serving=[2.4] * 20)
    assert verdict.outcome is Outcome.KEEP
    assert any("served now" in reason for reason in verdict.reasons)


def test_forgetting_blocks() -> None:
    old = [3.0] * 20
    verdict = judge(evaluation([2.0] * 20, old, after=[2.2] * 24), Train(max_forgetting=0.1))
    assert verdict.outcome is Outcome.KEEP
    assert any("became worse: reasoning" in reason for reason in verdict.reasons)


def test_a_close_call_says_how_many_questions_would_settle_it() -> None:
    old = [3.0] * 20
    mixed = [3.0 + (0.5 if n % 2 else -0.7) for n in range(20)]
    verdict = judge(evaluation(mixed, old), Train())
    assert verdict.outcome is Outcome.UNDECIDED
    assert "more held-out questions would settle" in verdict.reasons[0]


def test_a_handful_of_conversations_decides_nothing() -> None:
    verdict = judge(evaluation([2.0] * 5, [3.0] * 5), Train())
    assert verdict.outcome is Outcome.UNDECIDED


def better(**found: Any) -> Evaluation:
    """An evaluation that would be promoted, but for what is found."""
    return replace(
        evaluation([2.0 + n / 50 for n in range(20)], [3.0 + n / 50 for n in range(20)]), **found
    )


def probe(kind: str, rises: Sequence[float], broken: int = 0) -> Probe:
    kept = (1.0,) * 24
    return Probe(
        kind=kind, before=(2.0,) * len(rises), after=tuple(2.0 + rise for rise in rises),
        kept_before=kept, kept_after=(0.0,) * broken + kept[broken:],
    )  # fmt: skip


def test_nothing_found_is_promoted_in_one_sentence() -> None:
    verdict = judge(better(), Train())
    assert verdict.outcome is Outcome.PROMOTE
    assert len(verdict.reasons) == 2
    assert "No guard of 1" in verdict.reasons[1]


def test_each_kind_of_forgetting_blocks_by_itself_and_names_the_setting() -> None:
    kinds = (probe("language", [0.0] * 24), probe("reasoning", [0.3, 0.2] * 12))
    verdict = judge(better(probes=kinds), Train(max_forgetting=0.1))
    assert verdict.outcome is Outcome.KEEP
    assert "reasoning, loss" in verdict.reasons[1]
    assert "rehearse=0.1" in verdict.reasons[1]
    assert "The other 3 of 4 guards" in verdict.reasons[2]


def test_more_than_is_allowed_but_perhaps_by_chance_is_undecided() -> None:
    verdict = judge(better(probes=(probe("reasoning", [2.5, -2.0] * 12),)), Train())
    assert verdict.outcome is Outcome.UNDECIDED
    assert "may have become worse: reasoning" in verdict.reasons[1]


def test_broken_rules_are_forgetting_too() -> None:
    harmless = judge(better(probes=(probe("refusal", [0.0] * 24, broken=4),)), Train())
    assert harmless.outcome is Outcome.PROMOTE
    verdict = judge(better(probes=(probe("refusal", [0.0] * 24, broken=16),)), Train())
    assert verdict.outcome is Outcome.KEEP
    assert "refusal, share of answers that break their rule" in verdict.reasons[1]


def leaning(after: float, templates: int = 10) -> Bias:
    names = tuple(f"t{number % templates}" for number in range(30))
    return Bias(kind="name", templates=names, before=(0.1,) * 30, after=(after,) * 30)


def test_amplified_bias_blocks_and_a_small_or_uncertain_rise_does_not() -> None:
    assert judge(better(bias=(leaning(-0.4),)), Train()).outcome is Outcome.KEEP
    assert judge(better(bias=(leaning(0.11),)), Train()).outcome is Outcome.PROMOTE
    # Three templates are no evidence, however large the rise.
    assert judge(better(bias=(leaning(0.9, templates=3),)), Train()).outcome is Outcome.PROMOTE


def test_many_guards_do_not_add_up_to_a_false_alarm() -> None:
    """Each of ten guards alone would be significant at 5 %; together none is."""
    many = tuple(
        Probe(kind=f"kind {number}", before=(2.0,) * 6, after=(2.2,) * 6) for number in range(10)
    )
    alone = judge(better(probes=many[:1]), Train(max_forgetting=0.0))
    together = judge(better(probes=many), Train(max_forgetting=0.0))
    assert alone.outcome is Outcome.KEEP
    assert together.outcome is Outcome.UNDECIDED


def test_without_probes_nothing_is_promoted() -> None:
    assert judge(better(probes=()), Train()).outcome is Outcome.UNDECIDED


def test_a_secret_that_comes_out_blocks_whatever_was_gained() -> None:
    recited = Recited(words=(20.0,) * 10, before=(2.0,) * 10, after=(3.0,) * 10)
    verdict = judge(better(memorised=Memorised(trained=recited, secrets=1)), Train())
    assert verdict.outcome is Outcome.KEEP
    assert "secret" in verdict.reasons[1]


def test_what_was_learned_by_heart_is_said_and_does_not_block() -> None:
    heart = Recited(words=(20.0,) * 10, before=(2.0,) * 10, after=(20.0,) * 10)
    new = Recited(words=(20.0,) * 10, before=(2.0,) * 10, after=(2.0,) * 10)
    found = Memorised(trained=heart, heldout=new, people=("U1",), placeholders=3)
    verdict = judge(better(memorised=found), Train())
    assert verdict.outcome is Outcome.PROMOTE
    assert "100% of the training answers" in verdict.reasons[-2]
    assert "the words of 1 person" in verdict.reasons[-2]
    assert "3 answers to training questions hold a placeholder" in verdict.reasons[-1]
    assert judge(better(memorised=found), Train(max_memorised=0.5)).outcome is Outcome.KEEP


def test_a_gap_between_training_and_held_out_rows_is_said() -> None:
    names = tuple(str(number) for number in range(20))
    learned = Learned(conversations=names, times=(0.0,) * 20, before=(3.0,) * 20, after=(0.5,) * 20)
    verdict = judge(better(learned=learned), Train())
    assert verdict.outcome is Outcome.PROMOTE
    assert "fell by 2.500 nats per token on training rows and by 0.000" in verdict.reasons[-1]


def test_what_feedback_taught_is_said_and_decides_nothing() -> None:
    found = Preference(
        method="dpo", starts_from="v3", learned=40, left_out={"the correction says the same": 2},
        margins=(0.2, 0.1, -0.1, 0.3), preferred_before=(2.0,), preferred_after=(1.5,), note="Little.",
    )  # fmt: skip
    verdict = judge(better(preference=found), Train())
    assert verdict.outcome is Outcome.PROMOTE
    moved, held_out, note = verdict.reasons[-3:]
    assert (
        "v3 was moved by 40 pairs of answers (DPO). Left out: the correction says the same (2)."
        in moved
    )
    assert "Of 4 held-out pairs, it leans to the better answer in 75%" in held_out
    assert "2.000 nats per token before, 1.500 after" in held_out
    assert note == "Little."
    unlearned = judge(better(preference=replace(found, margins=(0.1, -0.1))), Train())
    assert "no better than chance" in unlearned.reasons[-2]
    unseen = judge(better(preference=replace(found, margins=())), Train())
    assert "No preference was held out" in unseen.reasons[-2]


def test_fewer_more_questions_are_needed_for_a_larger_difference() -> None:
    def more(shift: float) -> int:
        mixed = [3.0 + (0.5 if n % 2 else -0.5) - shift for n in range(20)]
        found = re.search(
            r"About (\d+) more", judge(evaluation(mixed, [3.0] * 20), Train()).reasons[0]
        )
        assert found
        return int(found.group(1))

    # A paired t-test needs (1.645 + 0.842)² · s² / d² questions in all: 6.18 · 0.25 / 0.01 = 155 for 0.1.
    assert more(0.15) < more(0.1)
    assert 100 <= more(0.1) <= 150
