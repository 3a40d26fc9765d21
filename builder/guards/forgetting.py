"""General questions that ship with the project, asked of two models; what the second forgot, out.

Each kind is measured in likelihood, in the chat template that is served (raw prose is no measure of an
instruct model: its loss can fall while the model forgets how to answer), and, where a question's rule
can be checked by a program, in answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from builder.guards.harm import Harm, harm
from builder.guards.rules import keeps
from builder.scoring import Alive, Judged, answer, score
from lorekeeper import prompt
from lorekeeper.domain import Evaluation, Probe
from lorekeeper.settings import Train

KINDS = ("language", "reasoning", "instructions", "refusal")
# Of an answer whose rule is checked: a list or an object is whole by then, and a refusal shows at once.
ANSWER_TOKENS = {"instructions": 40, "refusal": 20}
ADVICE = (
    "rehearse=0.1 mixes the base's own answers to general questions in (rehearse=auto, the default,"
    " does so by itself after a run that forgot)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A general question with a good answer, and the rule that an answer must keep, where it has one."""

    question: str
    answer: str
    rule: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one model scored on the questions of one kind."""

    nll: tuple[float, ...]
    kept: tuple[float, ...]


def questions(kind: str, most: int) -> list[Question]:
    """The first `most` questions of a kind."""
    text = files("builder").joinpath("probes", f"{kind}.jsonl").read_text(encoding="utf-8")
    entries = [json.loads(line) for line in text.split("\n") if line]
    return [
        Question(question=entry["question"], answer=entry["answer"], rule=entry.get("rule", {}))
        for entry in entries[:most]
    ]


def rows(asked: Sequence[Question]) -> int:
    """How many rows are scored or answered for these questions."""
    return len(asked) + sum(bool(one.rule) for one in asked)


def measure(
    judged: Judged, kind: str, asked: Sequence[Question], alive: Alive = lambda done: None
) -> Side:
    """Score the shipped answers, and check the model's own where there are rules."""
    prompts = [prompt.messages(one.question) for one in asked]
    ruled = [place for place, one in enumerate(asked) if one.rule]
    losses = score(judged, prompts, [one.answer for one in asked], alive)
    most = ANSWER_TOKENS.get(kind)
    told = answer(judged, [prompts[place] for place in ruled], most=most, alive=alive)
    kept = [float(keeps(said, asked[place].rule)) for place, said in zip(ruled, told, strict=True)]
    return Side(nll=tuple(losses), kept=tuple(kept))


def compared(before: Mapping[str, Side], after: Mapping[str, Side]) -> tuple[Probe, ...]:
    """The two sides of every kind."""
    return tuple(
        Probe(
            kind=kind,
            before=before[kind].nll,
            after=after[kind].nll,
            kept_before=before[kind].kept,
            kept_after=after[kind].kept,
        )
        for kind in before
    )


def harms(evaluation: Evaluation, rules: Train) -> list[Harm]:
    """What may have been forgotten: each kind by its loss and, where there are rules, by its answers."""
    by_loss = [
        harm(
            f"{probe.kind}, loss on general questions",
            before=probe.before,
            after=probe.after,
            allowed=rules.max_forgetting,
            unit="nats per token",
            advice=ADVICE,
        )
        for probe in evaluation.probes
        if probe.before
    ]
    by_answers = [
        harm(
            f"{probe.kind}, share of answers that break their rule",
            before=[1 - kept for kept in probe.kept_before],
            after=[1 - kept for kept in probe.kept_after],
            allowed=rules.max_unlearned,
            unit="of the answers",
            advice=ADVICE,
        )
        for probe in evaluation.probes
        if probe.kept_before
    ]
    return by_loss + by_answers


def has_forgotten(evaluation: Evaluation, rules: Train) -> bool:
    """Whether any kind became worse by more than is allowed, be it chance or not."""
    return any(one.found.mean > one.allowed for one in harms(evaluation, rules))
