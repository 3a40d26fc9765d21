"""The command that runs an engine holds what the settings, the model and the adapters ask for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lorekeeper.domain import Adapter, Evaluation, Outcome, Verdict
from serving import memory
from serving.plan import plan_of, slots
from tests.serving.test_engine import settings


def test_vllm_gets_room_for_the_adapters_that_serve(data: Path, tiny: Path) -> None:
    python = data / "python"
    python.touch()
    wanted = settings(data, tiny, vllm_python=python, max_lora_rank=16)

    def flags(*ranks: int, on_gpu: bool = False) -> str:
        room = slots(wanted, [adapter(rank) for rank in ranks])
        return " ".join(plan_of(wanted, "vllm", tiny, room, on_gpu=on_gpu).command)

    assert "--max-lora-rank 16 --max-loras 2" in flags()
    assert "--max-lora-rank 64 --max-loras 4" in flags(8, 48, 16)
    assert "--enable-prefix-caching --enable-chunked-prefill" in flags()
    assert "--max-model-len 256" in flags()
    assert "--enable-sleep-mode" not in flags(on_gpu=True)
    wanted = settings(data, tiny, vllm_python=python, share_card="yes")
    assert "--enable-sleep-mode" in flags(on_gpu=True)
    assert "--enable-sleep-mode" not in flags(on_gpu=False)


def test_the_context_is_no_longer_than_the_model_was_made_for(tiny: Path) -> None:
    assert memory.needs(tiny, "float32", 100_000).context == 256
    assert memory.needs(tiny, "float32", 128).context == 128


@pytest.mark.parametrize(
    ("named", "template", "parser"),
    [
        (
            "auto",
            "{% if tools %}<tool_call>\n{{ call | tojson }}\n</tool_call>{% endif %}",
            "hermes",
        ),
        ("pythonic", "{{ messages }}", "pythonic"),
        ("auto", "{{ messages }}", ""),
        ("none", "<tool_call>", ""),
    ],
)
def test_vllm_reads_tool_calls_in_the_form_that_the_template_teaches(
    data: Path, tiny: Path, named: str, template: str, parser: str
) -> None:
    python, model = data / "python", data / "model"
    python.touch()
    shutil.copytree(tiny, model)
    (model / "chat_template.jinja").write_text(template)
    wanted = settings(data, model, vllm_python=python, tool_parser=named)
    command = plan_of(wanted, "vllm", model, slots(wanted, []), on_gpu=False).command
    flags = f"--enable-auto-tool-choice --tool-call-parser {parser}"
    assert (flags in " ".join(command)) is bool(parser)
    assert ("--enable-auto-tool-choice" in command) is bool(parser)


def test_why_no_tools_can_be_called_is_said(data: Path, tiny: Path) -> None:
    python = data / "python"
    python.touch()
    wanted = settings(data, tiny, vllm_python=python)
    room = slots(wanted, [])
    assert f"template of {tiny.name}" in plan_of(wanted, "vllm", tiny, room, on_gpu=False).no_tools
    assert "embedded engine" in plan_of(wanted, "embedded", tiny, room, on_gpu=False).no_tools
    off = settings(data, tiny, vllm_python=python, tool_parser="none")
    assert "TOOL_PARSER=none" in plan_of(off, "vllm", tiny, room, on_gpu=False).no_tools


def adapter(rank: int) -> Adapter:
    scores = Evaluation(questions=(), references=(), conversations=(), arms=(), precision="float32")
    return Adapter(
        id=rank, name=f"v{rank}", run_id=1, dataset_id=1, base_model="tiny", hash="h", folder="f",
        rank=rank, evaluation=scores, verdict=Verdict(outcome=Outcome.KEEP, reasons=()),
        created_at=0.0,
    )  # fmt: skip
