"""What cannot be trained is refused before a weight is read, with what there is instead."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fitting import QUICK

from builder import fit, weights
from builder.possible import refuse_impossible
from builder.recipes import Recipe
from lorekeeper import hardware
from lorekeeper.errors import BadInput


def recipe(**changes: object) -> Recipe:
    return Recipe.model_validate(QUICK | changes)


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [(("q_proj", "c_attn"), "c_attn"), (r".*\.query", r".*\.query"), (("proj",), "proj")],
)
def test_layers_that_the_base_does_not_have_are_named_with_those_it_has(
    base: Path, wanted: object, missing: str
) -> None:
    with pytest.raises(BadInput) as refused:
        refuse_impossible(base, recipe(target_modules=wanted))
    assert refused.value.what == f"The base model has no linear layers called {missing}."
    assert "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj" in refused.value.fix


@pytest.mark.parametrize(
    "wanted", ["all-linear", ("q_proj", "mlp.down_proj"), r".*\.self_attn\.[qv]_proj"]
)
def test_layers_that_the_base_has_are_trained(base: Path, wanted: object) -> None:
    model = fit.load(base, recipe(target_modules=wanted))
    assert weights.trained(model)
    assert all("lora_" in name for name in weights.trained(model))


def test_more_upper_layers_than_there_are_are_refused(base: Path) -> None:
    with pytest.raises(BadInput, match=r"3 upper layers cannot learn: .* has 2"):
        refuse_impossible(base, recipe(trains="upper", upper_layers=3))


@pytest.mark.parametrize("trains", ["upper", "all"])
def test_more_memory_than_is_free_is_refused_with_both_numbers(
    base: Path, monkeypatch: pytest.MonkeyPatch, trains: str
) -> None:
    wanted = recipe(trains=trains, upper_layers=1)
    refuse_impossible(base, wanted)
    monkeypatch.setattr(hardware, "free_gpu_memory", tuple)
    monkeypatch.setattr(hardware, "free_memory", lambda: 2**19)
    with pytest.raises(BadInput, match=r"GiB of main memory .* and 0\.0 GiB are free") as refused:
        fit.load(base, wanted)
    assert "recipe qlora" in refused.value.fix
    refuse_impossible(base, recipe())  # an adapter is estimated by its plan, with its rows


def test_weights_that_learn_are_kept_in_32_bits(base: Path) -> None:
    model = fit.load(base, recipe(trains="upper", upper_layers=1))
    learning = weights.trained(model)
    assert {value.dtype for value in learning.values()} == {torch.float32}
    assert {name.split(".")[1] for name in learning} == {"layers", "norm"}
    everything = weights.trained(fit.load(base, recipe(trains="all")))
    assert len(everything) == len(list(model.parameters()))


def test_weights_that_were_kept_come_back(base: Path, tmp_path: Path) -> None:
    model = fit.load(base, recipe())
    before = {name: value.clone() for name, value in weights.trained(model).items()}
    weights.keep(model, tmp_path / "kept.safetensors")
    with torch.no_grad():
        for value in weights.trained(model).values():
            value.add_(1.0)
    weights.put_back(model, tmp_path / "kept.safetensors")
    for name, value in weights.trained(model).items():
        torch.testing.assert_close(value, before[name], atol=0, rtol=0)


def test_an_adapter_with_values_that_are_no_numbers_is_refused(base: Path) -> None:
    model = fit.load(base, recipe())
    weights.refuse_broken(model)
    with torch.no_grad():
        next(iter(weights.trained(model).values()))[0, 0] = torch.nan
    with pytest.raises(BadInput, match="no numbers"):
        weights.refuse_broken(model)


def test_rslora_is_scaled_by_the_root_of_the_rank(base: Path) -> None:
    for told, scale in ((False, 32 / 16), (True, 32 / 4)):
        model = fit.load(base, recipe(rslora=told, rank=16, alpha=32))
        layer = model.get_base_model().model.layers[0].self_attn.q_proj
        assert layer.scaling["default"] == pytest.approx(scale)
