"""Memory is reckoned part by part, and what does not fit is refused with what would."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.encode import IGNORED, Example
from builder.plan import fits, memory
from builder.plan.memory import Batch, Device, Needs
from builder.recipes import Recipe
from builder.shape import Linear, Shape
from lorekeeper.errors import BadInput, NoSpace

# Llama 3.2 1B as its configuration gives it: 16 layers, 8 of 32 heads for keys and values, tied embeddings.
_BLOCK = (
    *(("q_proj", 2048, 2048), ("k_proj", 2048, 512), ("v_proj", 2048, 512), ("o_proj", 2048, 2048)),
    *(("gate_proj", 2048, 8192), ("up_proj", 2048, 8192), ("down_proj", 8192, 2048)),
)
LLAMA = Shape(
    kind="llama", parameters=1_235_814_400, hidden=2048, layers=16, keys=512, intermediate=8192,
    vocabulary=128_256,
    linear=tuple(
        Linear(name=f"model.layers.{layer}.{name}", inputs=inputs, outputs=outputs)
        for layer in range(16)
        for name, inputs, outputs in _BLOCK
    ),
)  # fmt: skip
GPU = Device(gpu=True, compute_bytes=2, free=80 * 2**30)
BATCH = Batch(tokens=4 * 512, learned=4 * 100)


def needs(free: int, device: Device = GPU, rows: int = 8, tokens: int = 512) -> Needs:
    example = Example(
        pair_id=1, input_ids=(1,) * tokens, labels=(*(IGNORED,) * (tokens - 64), *(1,) * 64)
    )
    return Needs(
        shape=LLAMA,
        rows=[example] * rows,
        device=Device(gpu=device.gpu, compute_bytes=device.compute_bytes, free=free),
    )


def test_the_weights_are_what_their_type_takes() -> None:
    plain = memory.training(LLAMA, Recipe(quantization="none"), BATCH, GPU)
    assert plain["weights"] == 2 * LLAMA.parameters
    quantised = memory.training(LLAMA, Recipe(quantization="nf4"), BATCH, GPU)
    # 973 million numbers in 4.127 bits (QLoRA: 0.127 for the scales), the embeddings in float32.
    assert quantised["weights"] == pytest.approx(
        973_078_528 * 4.127 / 8 + 4 * 262_735_872, rel=1e-3
    )


def test_the_adapter_has_as_many_numbers_as_peft_counts() -> None:
    # peft's print_trainable_parameters for rank 16 on all linear layers of Llama 3.2 1B.
    assert LLAMA.adapter(Recipe(rank=16)) == 11_272_192
    only = Recipe(rank=16, target_modules=("q_proj", "v_proj"))
    assert LLAMA.adapter(only) == 16 * 16 * ((2048 + 2048) + (2048 + 512))


def test_everything_learns_and_nothing_is_an_adapter_where_all_weights_are_trained() -> None:
    parts = memory.training(LLAMA, Recipe(trains="all", quantization="none"), BATCH, GPU)
    assert "adapter" not in parts
    assert parts["weights"] == parts["gradients"] == 4 * LLAMA.parameters


def test_a_probe_corrects_what_moves_and_nothing_else() -> None:
    recipe = Recipe()
    before = memory.training(LLAMA, recipe, BATCH, GPU)
    peak = sum(before.values()) + 2**30
    device = memory.calibrated(GPU, LLAMA, recipe, BATCH, peak)
    after = memory.training(LLAMA, recipe, BATCH, device)
    assert sum(after.values()) == pytest.approx(peak, abs=2)
    assert after["weights"] == before["weights"]
    assert after["activations"] > before["activations"]


def test_what_fits_is_not_refused() -> None:
    fits.refuse_memory(Recipe(), needs(80 * 2**30), longest=512)
    fits.refuse_disk(Recipe(), 100, 101)


def test_what_does_not_fit_is_refused_with_every_setting_that_would() -> None:
    recipe = Recipe(batch_size=8, accumulation=1)
    enough = needs(0)
    free = enough(recipe.model_copy(update={"batch_size": 4, "accumulation": 2}))
    with pytest.raises(BadInput, match=r"2\.3 GB are free \(weights 1\.4 GB, ") as refused:
        fits.refuse_memory(recipe, needs(free), longest=512)
    assert refused.value.fix == "The largest that fits: batch_size=4 accumulation=2."


def test_shorter_rows_are_proposed_where_there_are_some() -> None:
    recipe = Recipe(batch_size=1, accumulation=8)
    mixed = [*needs(0, rows=4, tokens=100).rows, *needs(0, rows=4, tokens=700).rows]
    asked = Needs(shape=LLAMA, rows=mixed, device=GPU)
    free = asked(recipe.model_copy(update={"max_tokens": 128}))
    assert "max_tokens=640" in fits.largest(recipe, free, asked, longest=700)


def test_the_smallest_run_is_named_where_no_single_setting_is_enough() -> None:
    recipe = Recipe(quantization="none", rank=512, batch_size=8, accumulation=1)
    least = {"batch_size": 1, "rank": 8, "quantization": "nf4"}
    free = needs(0)(recipe.model_copy(update=least))
    assert fits.largest(recipe, free, needs(free), longest=512) == [
        "batch_size=1 rank=8 quantization=nf4"
    ]


def test_a_model_that_fits_in_no_way_is_said_to() -> None:
    with pytest.raises(BadInput) as refused:
        fits.refuse_memory(Recipe(), needs(10**6), longest=512)
    assert refused.value.fix == "No setting is small enough: take a smaller base model."


def test_of_a_base_in_shares_a_process_holds_its_share_and_what_is_gathered() -> None:
    whole = memory.training(LLAMA, Recipe(), BATCH, GPU)
    share = memory.training(LLAMA, Recipe(), BATCH, replace(GPU, shares=8))
    scales = 973_078_528 * 0.127 / 8  # each process has those of all blocks
    assert share["weights"] == pytest.approx((whole["weights"] - scales) / 8 + scales, rel=1e-3)
    # The embeddings twice, in float32, and a layer of 61 million numbers in 4 bits.
    assert share["gathered"] == pytest.approx(2 * 4 * 128_256 * 2048 + 973_078_528 / 16 / 2)
    assert "gathered" not in whole
    alike = ("adapter", "gradients", "optimiser", "activations")
    assert [share[name] for name in alike] == [whole[name] for name in alike]


def test_a_run_that_one_gpu_does_not_hold_is_told_how_many_would() -> None:
    large = replace(LLAMA, linear=LLAMA.linear * 50, layers=800, parameters=50_000_000_000)
    asked = replace(needs(24 * 10**9), shape=large)
    recipe = Recipe(batch_size=1, accumulation=8, rank=8)
    with pytest.raises(BadInput) as refused:
        fits.refuse_memory(recipe, asked, longest=512)
    fix = refused.value.fix
    assert "LORE_LAUNCH__SHARDED=true" in fix
    shares = int(fix.rsplit(" ", 1)[1].rstrip("."))
    assert replace(asked, device=replace(asked.device, shares=shares))(recipe) <= 24 * 10**9
    fewer = replace(asked, device=replace(asked.device, shares=shares // 2))
    assert fewer(recipe) > 24 * 10**9


def test_a_base_that_is_shared_out_must_fit_into_main_memory_once() -> None:
    shared = replace(GPU, shares=8)
    wanted = memory.to_load(LLAMA, Recipe(), shared)
    assert wanted == memory.training(LLAMA, Recipe(), BATCH, GPU)["weights"]
    fits.refuse_loading(wanted, wanted)
    with pytest.raises(BadInput, match="main memory"):
        fits.refuse_loading(wanted, wanted - 1)


def test_more_processes_do_not_help_where_they_share_one_memory_or_train_everything() -> None:
    large = replace(LLAMA, linear=LLAMA.linear * 50, layers=800)
    for device, recipe in (
        (Device(gpu=False, compute_bytes=2, free=10**9), Recipe()),
        (GPU, Recipe(trains="all", quantization="none")),
    ):
        asked = replace(needs(10**9, device), shape=large)
        with pytest.raises(BadInput) as refused:
            fits.refuse_memory(recipe, asked, longest=512)
        assert "SHARDED" not in refused.value.fix


def test_a_full_disk_is_answered_with_the_rank_that_fits() -> None:
    recipe = Recipe(rank=64)
    wanted = memory.disk(LLAMA, recipe, GPU)
    with pytest.raises(NoSpace, match="are free on the disk") as refused:
        fits.refuse_disk(recipe, wanted, wanted // 2)
    assert refused.value.fix == "The largest that fits: rank=32."


@given(
    batch=st.sampled_from([1, 2, 3, 4, 6, 8, 16]),
    rank=st.sampled_from([8, 16, 64, 512]),
    quantization=st.sampled_from(["nf4", "none"]),
    free=st.integers(2**27, 2**34),
)
def test_whatever_is_proposed_fits(batch: int, rank: int, quantization: str, free: int) -> None:
    recipe = Recipe(batch_size=batch, rank=rank, quantization=quantization)
    asked = needs(free)
    for change in fits.largest(recipe, free, asked, longest=512):
        values = dict(word.split("=") for word in change.split())
        changed = Recipe.model_validate(recipe.model_dump() | values)
        assert asked(changed) <= free
        if "batch_size" in values and "rank" not in values:
            assert changed.batch_size * changed.accumulation == batch * recipe.accumulation
