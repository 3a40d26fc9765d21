"""What does not fit into the memory is refused with both numbers, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from lorekeeper import hardware
from lorekeeper.errors import BadInput
from serving import memory


def test_what_a_model_needs_is_read_from_its_files(tiny: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny)
    needed = memory.needs(tiny, "float32", 100)
    stored = {each.data_ptr(): each.numel() for each in model.parameters()}
    assert memory.parameters(tiny) == sum(stored.values())
    assert needed.weights == 4 * memory.parameters(tiny)
    assert needed.cache_per_token == 2 * 2 * 2 * 8 * 4  # two layers, two heads of eight, float32
    assert memory.needs(tiny, "bfloat16", 100).weights * 2 == needed.weights


def test_a_context_beyond_the_models_own_is_cut(tiny: Path) -> None:
    assert memory.needs(tiny, "float32", 100_000).context == 256


@pytest.mark.parametrize("on_gpu", [True, False])
def test_too_little_memory_is_told_in_numbers(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, on_gpu: bool
) -> None:
    monkeypatch.setattr(hardware, "free_gpu_memory", lambda: (2**30, 2**31))
    monkeypatch.setattr(hardware, "free_memory", lambda: 2**31)
    large = memory.Needs(weights=8 * 2**30, cache_per_token=0, context=2048)
    with pytest.raises(BadInput, match=r"needs 9\.6 GiB .* has 2\.0 GiB free") as told:
        memory.refuse_too_little(large, tiny, on_gpu=on_gpu)
    assert "LORE_SERVING__CONTEXT_TOKENS" in told.value.fix
    memory.refuse_too_little(memory.needs(tiny, "float32", 256), tiny, on_gpu=on_gpu)


@pytest.mark.parametrize("kept", [4, 40, -1])
def test_a_file_of_weights_that_was_cut_off_is_noticed(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"w": numpy.ones(64, numpy.float32)}, path)
    assert memory.header(path)["w"]["shape"] == [64]
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"cut off|bytes instead of"):
        memory.header(path)
