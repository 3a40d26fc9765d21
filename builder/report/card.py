"""A run's evidence in; the model card of its adapter, as Markdown with the hub's metadata, out.

The metadata are what Hugging Face's hub reads (https://huggingface.co/docs/hub/model-cards), written by
the hub's own library. Nothing is sent there.
"""

from __future__ import annotations

import json
import re
from statistics import fmean
from typing import Any

from builder.report.evidence import Evidence
from builder.report.rows import (
    again,
    arms_rows,
    heart_rows,
    number,
    plan_rows,
    stage_rows,
    task_rows,
)
from lorekeeper.domain import Arm

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def model_card(evidence: Evidence, dataset_card: str) -> str:
    """How an adapter was made, from what, what it scored, what the gate said, and how to make it again."""
    return "\n".join(
        [
            "---",
            _metadata(evidence).rstrip("\n"),
            "---",
            "# Adapter card",
            "",
            f"**{evidence.verdict.outcome.value}**",
            "",
            *[f"- {reason}" for reason in evidence.verdict.reasons],
            "",
            *_use(evidence),
            *_scores(evidence),
            *_tasks(evidence),
            *_stages(evidence),
            *_data(evidence, dataset_card),
            *_making(evidence),
        ]
    )


def _metadata(evidence: Evidence) -> str:
    """YAML. A base that is no model of the hub is named in the text only."""
    from huggingface_hub import EvalResult, ModelCardData

    base = str(evidence.about.get("base_model", ""))
    is_whole = (evidence.about.get("recipe") or {}).get("trains", "adapter") != "adapter"
    data: dict[str, Any] = {"base_model": base} if _HUB_ID.fullmatch(base) else {}
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type="lorekeeper",
            dataset_name=f"held-out questions of {evidence.dataset}",
            metric_type="nll",
            metric_name=f"nats per answer token, {arm.value}",
            metric_value=round(evidence.evaluation.arm(arm).mean_nll, 4),
        )
        for arm in (Arm.RETRIEVAL, Arm.TUNED_RETRIEVAL)
    ]
    made = ModelCardData(
        model_name=f"run-{evidence.run}",
        library_name="transformers" if is_whole else "peft",
        pipeline_tag="text-generation",
        tags=["lorekeeper"] if is_whole else ["lora", "lorekeeper"],
        eval_results=results,
        **data,
    )
    return str(made.to_yaml())


def _use(evidence: Evidence) -> list[str]:
    base = evidence.about.get("base_model", "its base model")
    return [
        "## What it is for",
        "",
        f"It answers this team's questions on top of `{base}`, with passages from retrieval in the prompt. "
        "Weights have no access control: what it was trained on can come out for anyone who may ask it. "
        "It is not meant for anybody else's questions, nor for decisions about people.",
        "",
    ]


def _scores(evidence: Evidence) -> list[str]:
    evaluation = evidence.evaluation
    rows = [
        f"| {name} | {loss} | {between} | {f1} |" for name, loss, between, f1 in arms_rows(evidence)
    ]
    return [
        "## What it scored",
        "",
        f"{len(evaluation.questions)} held-out questions, scored in {evaluation.precision}, the precision "
        "that is served. Loss: nats for each token of the reference answer.",
        "",
        "| Arm | Loss | 95 % interval | Token F1 |",
        "|---|---|---|---|",
        *rows,
        "",
        *_general(evidence),
    ]


def _tasks(evidence: Evidence) -> list[str]:
    lines: list[str] = []
    for score in evidence.evaluation.tasks:
        lines += [
            f"## The task {score.task}",
            "",
            f"{len(score.references)} held-out rows. {score.note}".rstrip(),
            "",
            f"| Asked | {score.metric} | 95 % interval | No label, no format |",
            "|---|---|---|---|",
            *[f"| {' | '.join(row)} |" for row in task_rows(score)],
            "",
        ]
    return lines


def _stages(evidence: Evidence) -> list[str]:
    found = evidence.evaluation.stages
    if found is None:
        return []
    return [
        "## What each stage did to the others",
        "",
        f"Nats per token on each stage's held-out rows; backward transfer {found.backward_transfer:+.3f}, "
        "above zero is forgetting.",
        "",
        f"| | {' | '.join(found.names)} |",
        f"|---|{'---|' * len(found.names)}",
        *[f"| {' | '.join(row)} |" for row in stage_rows(found)],
        "",
    ]


def _general(evidence: Evidence) -> list[str]:
    """What was guarded: general questions and counterfactual pairs, by kind, and what came out word for word."""
    rows = [
        *[(f"general questions, {one.kind}", one.before, one.after) for one in evidence.evaluation.probes],
        *[
            (f"bias by {one.kind}", [*map(abs, one.before)], [*map(abs, one.after)])
            for one in evidence.evaluation.bias
        ],
    ]  # fmt: skip
    told = [
        f"| {name}, nats per token | {number(fmean(before))} | {number(fmean(after))} |"
        for name, before, after in rows
        if before and after
    ]
    told += [f"| {name} | {before} | {after} |" for name, before, after in heart_rows(evidence)]
    return ["| Guarded | Base | Tuned |", "|---|---|---|", *told, ""] if told else []


def _data(evidence: Evidence, dataset_card: str) -> list[str]:
    """The dataset's own card, one heading lower."""
    lower = [f"#{line}" if line.startswith("#") else line for line in dataset_card.splitlines()]
    left = [f"{len(evidence.left_out)} pairs were left out as too long: "
            + ", ".join(str(one.pair_id) for one in evidence.left_out) + ".", ""] if evidence.left_out else []  # fmt: skip
    about = evidence.about
    return [
        f"## Data: {evidence.dataset}",
        "",
        f"Content hash `{about.get('dataset_hash', '')}`.",
        "",
        *lower,
        "",
        *left,
    ]


def _making(evidence: Evidence) -> list[str]:
    about, energy = evidence.about, evidence.energy
    recipe = about.get("recipe") or {}
    packages = ", ".join(f"{name} {is_at}" for name, is_at in (about.get("packages") or {}).items())
    facts = [
        ("code", about.get("code")),
        ("packages", packages),
        ("Python, platform", f"{about.get('python')}, {about.get('platform')}"),
        ("hardware", ", ".join(about.get("hardware") or ())),
        ("trained in", recipe.get("quantization")),
        ("seed", recipe.get("seed")),
        ("energy and cost, estimated", energy.told if energy else "not measured"),
        *[(f"{name}, planned and real", f"{planned}, {real}") for name, planned, real, _ in plan_rows(evidence)],
    ]  # fmt: skip
    return [
        "## How to make it again",
        "",
        "```",
        again(evidence),
        "```",
        "",
        "The same data, recipe and seed give the same adapter on the same device with the same packages, as long as the index holds the same sources: training prompts quote them.",
        "",
        "| What | Value |",
        "|---|---|",
        *[f"| {name} | {value} |" for name, value in facts],
        "",
        "Every value:",
        "",
        "```json",
        json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False),
        "```",
        "",
    ]
