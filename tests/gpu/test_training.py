"""On a GPU: what 4 bits save for a model of a billion weights, and that packing and resuming hold there, too."""

from __future__ import annotations

import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from builder import attention, batches, fit, trainer, watch, weights
from builder.encode import IGNORED, Example
from builder.recipes import Recipe
from builder.watch import last_checkpoint
from lorekeeper import hardware

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not hardware.gpus(), reason="there is no NVIDIA GPU"),
]
WORDS = 32_000


@pytest.fixture(scope="module")
def billion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of 1.1 billion random weights, in bfloat16: memory does not ask what they are."""
    return _saved(
        tmp_path_factory.mktemp("billion"),
        hidden_size=2048, intermediate_size=5632, num_hidden_layers=22, num_attention_heads=32,
        num_key_value_heads=4,
    )  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _saved(
        tmp_path_factory.mktemp("small"),
        hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=8,
        num_key_value_heads=2,
    )  # fmt: skip


def _saved(folder: Path, **shape: int) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=WORDS, max_position_embeddings=2048, **shape)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def rows(count: int, prompt: int = 60, answer: int = 40) -> list[Example]:
    """Rows that begin alike and differ in length."""
    made = []
    for number in range(count):
        asked = [
            *range(10, 30),
            *(100 + number + place for place in range(prompt - 20 + number % 7)),
        ]
        told = [1000 + number * 3 + place for place in range(answer + number % 5)]
        made.append(
            Example(
                pair_id=number,
                input_ids=(*asked, *told),
                labels=(*[IGNORED] * len(asked), *told),
            )
        )
    return made


def recipe(**changes: Any) -> Recipe:
    quick = {
        "quantization": "none",
        "epochs": 1,
        "checkpoint_steps": 2,
        "warmup": 0,
        "dropout": 0.0,
    }
    return Recipe.model_validate(quick | changes)


def trained(base: Path, work: Path, wanted: Recipe, report: Any = None) -> tuple[fit.Fitted, Any]:
    work.mkdir(exist_ok=True)
    go_on = SimpleNamespace(id=1, cancel_requested_by=None)

    def told(progress: Any) -> Any:
        if report is not None:
            report(progress)
        return go_on

    model = fit.load(base, wanted)
    with mock.patch.object(watch, "EVERY", 0.0):  # tell every step
        return fit.fit(model, rows(32), wanted, work, told), model


def peak(base: Path, work: Path, quantization: str) -> int:
    """Most bytes of the GPU, from loading the base to the last step."""
    import torch

    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    trained(base, work, recipe(quantization=quantization))
    return int(torch.cuda.max_memory_allocated())


def test_4_bits_take_at_most_half_of_the_memory(billion: Path, tmp_path: Path) -> None:
    whole = peak(billion, tmp_path / "bf16", "none")
    quarter = peak(billion, tmp_path / "nf4", "nf4")
    assert whole > 2 * 1.0e9  # the weights alone, in 16 bits
    assert quarter <= 0.5 * whole, f"{quarter / whole:.2f}"


def test_packed_rows_have_the_loss_of_rows_alone(small: Path) -> None:
    import torch

    with mock.patch.object(weights, "compute_type", return_value=torch.float32):
        model = fit.load(small, recipe())
    given = [{"input_ids": row.input_ids, "labels": row.labels} for row in rows(8)]
    with weights.measured(model):
        alone = sum(_loss(model, batches.pad([row])) for row in given)
        with attention.by_row(model):
            packed = _loss(model, batches.pack(given))
    tokens = sum(row.learned for row in rows(8))
    assert packed / tokens == pytest.approx(alone / tokens, abs=1e-3)


def _loss(model: Any, batch: dict[str, Any]) -> float:
    return float(trainer.total_loss(model, trainer.on_device(batch, model.device)))


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_an_interrupted_run_ends_as_one_that_was_not(
    small: Path, tmp_path: Path, quantization: str
) -> None:
    import torch

    wanted = recipe(quantization=quantization, dropout=0.1)

    def stop(progress: Any) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(small, tmp_path / "a", wanted, stop)
    assert last_checkpoint(tmp_path / "a") == tmp_path / "a" / "checkpoint-2"
    _, resumed = trained(small, tmp_path / "a", wanted)
    _, whole = trained(small, tmp_path / "b", wanted)
    for name, value in weights.trained(whole).items():
        torch.testing.assert_close(weights.trained(resumed)[name], value, atol=1e-3, rtol=1e-2)
