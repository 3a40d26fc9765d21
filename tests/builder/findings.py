"""The evidence of a run that found something, as a run would have kept it: what the report's tests show."""

from __future__ import annotations

import random
from typing import Any

from builder.report.energy import Energy
from builder.report.evidence import Changed, Evidence, LeftOut, Loss, Place, Told
from lorekeeper.domain import (
    PUBLIC,
    Arm,
    ArmScore,
    Asked,
    Bias,
    Evaluation,
    Memorised,
    Outcome,
    Probe,
    Recited,
    Stages,
    TaskArm,
    TaskScore,
    Transfer,
    Verdict,
)

QUESTIONS = 24
SHIFTS = {
    Arm.BASE: 0.9, Arm.PROMPTED: 0.6, Arm.RETRIEVAL: 0.1, Arm.TUNED: 0.2, Arm.TUNED_RETRIEVAL: -0.2,
}  # fmt: skip


def evaluation() -> Evaluation:
    chance = random.Random(1)
    base = [chance.uniform(1.5, 3) for _ in range(QUESTIONS)]
    return Evaluation(
        questions=tuple(f"How do I turn the key of service {n}?" for n in range(QUESTIONS)),
        references=tuple(f"Turn it {n} times." for n in range(QUESTIONS)),
        conversations=tuple(f"C1/{n // 2}" for n in range(QUESTIONS)),
        arms=tuple(
            ArmScore(
                arm=arm,
                nll=tuple(value + shift + chance.gauss(0, 0.2) for value in base),
                f1=(0.5, 0.25),
                answers=(f"first of {arm.value}", f"second of {arm.value}"),
                measures={"rouge_l": (0.25, 0.5), "seconds": (1.0, 2.0)},
            )
            for arm, shift in SHIFTS.items()
        ),
        precision="float32",
        probes=(
            Probe(kind="language", before=(1.0, 1.5, 2.0), after=(1.1, 1.5, 2.1)),
            Probe(
                kind="refusal",
                before=(2.0, 2.5),
                after=(2.0, 2.5),
                kept_before=(1.0,),
                kept_after=(1.0,),
            ),
        ),
        bias=(
            Bias(
                kind="name",
                templates=("a", "a", "b"),
                before=(0.1, -0.1, 0.2),
                after=(0.2, -0.3, 0.2),
            ),
        ),
        memorised=Memorised(
            trained=Recited(words=(20.0, 20.0), before=(3.0, 4.0), after=(20.0, 5.0)),
            heldout=Recited(words=(20.0,), before=(3.0,), after=(4.0,)),
            people=("U77",),
        ),
    )


def task() -> TaskScore:
    """One task that the adapter does better than the base."""
    values = ((Asked.BASE, 0.25, 3), (Asked.PROMPTED, 0.5, 0), (Asked.TUNED, 0.75, 0))
    return TaskScore(
        task="triage",
        metric="macro_f1",
        higher_is_better=True,
        version="1",
        inputs=("It is down", "How do I", "It is up", "Where is"),
        references=("incident", "how-to", "incident", "how-to"),
        groups=("a", "b", "c", "d"),
        arms=tuple(
            TaskArm(
                asked=asked, value=value, low=value - 0.1, high=value + 0.1,
                rows=(1, 0, 1, 0), outside=outside,
            )
            for asked, value, outside in values
        ),
        labels=("how-to", "incident"),
        note="4 of 9 held-out rows.",
    )  # fmt: skip


def stages() -> Stages:
    """Two stages, of which the second cost the first a little."""
    return Stages(
        names=("general", "answer"),
        rows=(11, 24),
        losses=((2.0, 3.0), (1.0, 2.9), (1.1, 1.5)),
        transfers=(Transfer(stage="general", mean=0.1, low=0.05, high=0.15),),
    )


def evidence(**changes: Any) -> Evidence:
    here = Place(scope=PUBLIC, channel="C1")
    values: dict[str, Any] = {
        "run": 7,
        "at": 1_700_000_000.0,
        "adapter": "v3",
        "evaluation": evaluation(),
        "verdict": Verdict(outcome=Outcome.PROMOTE, reasons=("Better: -0.3 nats per token.",)),
        "about": {
            "base_model": "Qwen/Qwen3-0.6B",
            "dataset_hash": "abc",
            "recipe": {"about": "Instruction tuning", "seed": 7, "quantization": "nf4"},
            "packages": {"torch": "2.13.0"},
            "python": "3.11",
            "platform": "Linux",
            "code": "release 0.1.0",
            "hardware": ["a CPU, 2 cores"],
        },
        "dataset": "d2",
        "train": 96,
        "heldout": QUESTIONS,
        "places": (here,) * QUESTIONS,
        "training": tuple(Loss(step=n, loss=3 - n / 40) for n in range(1, 41)),
        "validation": tuple(Loss(step=n, loss=3 - n / 50) for n in (10, 20, 30, 40)),
        "best_step": 30,
        "told": (Told(question=5, before="Turn it.", after="Turn it 5 times."),),
        "left_out": (LeftOut(pair_id=12, tokens=999, question="What is long?", place=here),),
        "since": "d1",
        "changes": (
            Changed(what="new", pair_id=40, question="What came?", place=here),
            Changed(what="gone", pair_id=4, question="What went?", place=here),
        ),
        "planned": {"whole": 600.0, "training": 300.0, "steps": 40, "memory": 2**30},
        "real": {"whole": 660.0, "training": 270.0, "steps": 40},
        "energy": Energy(seconds=700.0, joules=14_000.0, gpus=0, source="assumed: 20 W"),
    }
    return Evidence(**(values | changes))
