"""Rows that lie end to end compute what they compute alone: loss and gradient, whatever the model's attention."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from builder import attention, batches
from builder.encode import IGNORED
from builder.trainer import learned, total_loss

torch.set_num_threads(1)  # on a busy machine, two threads mostly wait for each other

TOKEN = st.integers(0, 40)
PART = st.lists(TOKEN, min_size=1, max_size=12)


@st.composite
def several_rows(draw: st.DrawFn) -> list[batches.Row]:
    """Prompts with a common beginning, short and long, each with an answer."""
    common = draw(st.lists(TOKEN, max_size=8))
    parts = draw(st.lists(st.tuples(PART, PART), min_size=1, max_size=5))
    return [row([*common, *prompt], answer) for prompt, answer in parts]


def row(prompt: list[int], answer: list[int]) -> batches.Row:
    return {"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer}


@given(several_rows())
def test_every_token_is_learned_once_at_the_place_before_it(rows: list[batches.Row]) -> None:
    answers = [label for each in rows for label in each["labels"] if label != IGNORED]
    for batch in (batches.pack(rows), batches.pad(rows)):
        assert sorted(batch["labels"][batch["labels"] != IGNORED].tolist()) == sorted(answers)
    packed = batches.pack(rows)
    assert packed["labels"].tolist() == [answers]
    shared, *own = packed["row_lengths"]
    assert packed["input_ids"].shape == (1, shared + sum(own))
    assert [shared + length for length in own] == [len(each["input_ids"]) for each in rows]


@given(several_rows())
def test_what_is_packed_can_be_taken_apart_again(rows: list[batches.Row]) -> None:
    packed = batches.pack(rows)
    ids, places = packed["input_ids"][0].tolist(), packed["position_ids"][0].tolist()
    shared, *own = packed["row_lengths"]
    seen = shared
    for each, length in zip(rows, own, strict=True):
        assert ids[:shared] + ids[seen : seen + length] == list(each["input_ids"])
        assert places[:shared] + places[seen : seen + length] == list(range(shared + length))
        seen += length


def llama(**changes: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**SMALL | changes))


def mistral() -> Any:
    """Tokens see only the 7 before them."""
    from transformers import MistralConfig, MistralForCausalLM

    return MistralForCausalLM(MistralConfig(**SMALL, sliding_window=8))


def gemma() -> Any:
    """Layers in turns: one with a window, one without; another normalisation, scale and activation."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    kinds = ["sliding_attention", "full_attention"]
    return Gemma3ForCausalLM(
        Gemma3TextConfig(**SMALL, head_dim=8, sliding_window=8, layer_types=kinds)
    )


SMALL: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
COMMON = [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
ROWS = [
    row([*COMMON, 20], [30, 31, 32]),
    row([*COMMON, 21, 22, 23, 24, 25, 26, 27, 28], [33]),
    row([*COMMON, 21, 22], [34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45]),
]


@pytest.mark.parametrize("make", [llama, mistral, gemma])
@pytest.mark.parametrize("rows", [ROWS, [row([7], [8, 9]), row([20, 21], [22]), *ROWS], ROWS[:1]])
def test_packed_rows_have_the_loss_and_the_gradient_of_rows_alone(
    make: Any, rows: list[batches.Row]
) -> None:
    torch.manual_seed(3)
    model = make()
    assert attention.has_only_attention(model)
    alone = [measured(model, batches.pad([each])) for each in rows]
    padded = measured(model, batches.pad(rows))
    with attention.by_row(model):
        packed = measured(model, batches.pack(rows))
    loss = sum(found[0] for found in alone)
    gradient = sum(found[1] for found in alone)
    for found_loss, found_gradient in (padded, packed):
        assert found_loss == pytest.approx(loss, abs=1e-3)
        torch.testing.assert_close(found_gradient, gradient, atol=1e-4, rtol=1e-3)


def measured(model: Any, batch: dict[str, Any]) -> tuple[float, Any]:
    """Nats of the batch's answers, and their gradient in the first layer's projection."""
    model.zero_grad()
    loss = total_loss(model, batch)
    loss.backward()
    return loss.item(), model.model.layers[0].self_attn.k_proj.weight.grad.clone()


def test_a_row_does_not_see_another_one() -> None:
    torch.manual_seed(3)
    model = llama()
    with attention.by_row(model), torch.no_grad():
        batch = batches.pack(ROWS)
        other = batches.pack([row([*COMMON, 50], [51, 52, 53]), *ROWS[1:]])
        assert without_first(model, other) == pytest.approx(without_first(model, batch), abs=1e-5)
        leaking = batch | {"row_lengths": [batch["input_ids"].shape[1]]}  # the control
        assert abs(without_first(model, leaking) - without_first(model, batch)) > 1e-3


def without_first(model: Any, batch: dict[str, Any]) -> float:
    """Nats of all answers but the first row's, which has three tokens."""
    labels = batch["labels"].clone()
    labels[:, :3] = IGNORED
    return float(total_loss(model, batch | {"labels": labels}))


def test_models_with_a_running_state_are_not_packed() -> None:
    from transformers import MambaConfig, MambaForCausalLM

    model = MambaForCausalLM(
        MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, state_size=4)
    )
    assert not attention.has_only_attention(model)


def test_outside_of_by_row_a_model_attends_as_before() -> None:
    torch.manual_seed(3)
    model = llama()
    ids = torch.arange(5, 20)[None]
    before = model(ids).logits
    with attention.by_row(model):
        inside = model(ids).logits
    torch.testing.assert_close(inside, before)
    torch.testing.assert_close(model(ids).logits, before)
    assert model.config._attn_implementation == "sdpa"


def test_padding_is_masked_by_place_so_that_stopping_is_learned() -> None:
    rows = [row([3, 4], [5] * count + [0]) for count in (1, 9)]  # 0 ends a turn, and pads
    batch = batches.pad(rows)
    assert (batch["labels"] == 0).sum(-1).tolist() == [1, 1]
    assert batch["attention_mask"].sum(-1).tolist() == [len(each["input_ids"]) for each in rows]
    assert learned(batch) == 12
