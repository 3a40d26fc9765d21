"""The losses are those of the papers, and give what TRL gives on the same batch."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from builder import encode
from builder.preference import losses
from builder.preference.trainer import padded, rows
from lorekeeper import prompt

sys.path.insert(0, str(Path(__file__).parents[1]))
import tiny

BETA = 0.1


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_dpo_is_equation_7_of_its_paper():
    found = losses.dpo(
        torch.tensor([-12.0, -30.0]), torch.tensor([-15.0, -9.0]),
        torch.tensor([-14.0, -28.0]), torch.tensor([-10.0, -9.5]), beta=BETA,
    )  # fmt: skip
    assert found.tolist() == pytest.approx(
        [-math.log(sigmoid(BETA * (2 + 5))), -math.log(sigmoid(BETA * (-2 - 0.5)))]
    )


def test_a_model_that_has_not_moved_loses_the_logarithm_of_two():
    same = torch.tensor([-3.0, -7.0])
    assert losses.dpo(same, same - 1, same, same - 1, beta=BETA).tolist() == pytest.approx(
        [math.log(2)] * 2
    )


def test_kto_is_equation_8_of_its_paper():
    found = losses.kto(
        torch.tensor([-12.0, -9.0]), torch.tensor([-14.0, -10.0]), torch.tensor([True, False]),
        torch.tensor(0.5), beta=BETA, desirable=1.0, undesirable=1.3,
    )  # fmt: skip
    assert found.tolist() == pytest.approx(
        [1 - sigmoid(BETA * 2 - BETA * 0.5), 1.3 * (1 - sigmoid(BETA * 0.5 - BETA * 1))]
    )


def test_the_reference_point_is_never_below_zero_and_has_no_gradient():
    moved = torch.tensor([-5.0, -3.0], requires_grad=True)
    assert losses.drift(moved, torch.tensor([-4.0, -2.5])).item() == 0
    point = losses.drift(moved, torch.tensor([-6.0, -6.0]))
    assert point.item() == pytest.approx(2.0)
    assert not point.requires_grad


@given(st.integers(1, 500), st.integers(1, 500))
def test_weights_bring_both_kinds_between_one_to_one_and_four_to_three(
    helpful: int, unhelpful: int
):
    desirable, undesirable = losses.weights(helpful, unhelpful)
    share = desirable * helpful / (undesirable * unhelpful)
    assert 1 - 1e-9 <= share <= 4 / 3 + 1e-9
    assert min(desirable, undesirable) == 1


@pytest.fixture(scope="module")
def examples():
    words = tiny.tokenizer()
    asked = [("How?", "So."), ("How?", "Not so, but in this longer way."), ("Why?", "Because.")]
    return [
        encode.example(number, prompt.messages(question), answer, words)
        for number, (question, answer) in enumerate(asked)
    ]


@pytest.fixture(scope="module")
def model(base: Path):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(base).eval()


def test_an_answer_is_as_likely_in_a_batch_as_alone(model, examples):
    with torch.no_grad():
        together = losses.log_probabilities(model, padded(examples)).tolist()
        alone = [losses.log_probabilities(model, padded([one])).item() for one in examples]
        second = losses.log_probabilities(model, rows(padded(examples), slice(1, 2))).item()
    assert together == pytest.approx(alone, abs=1e-3)
    assert second == pytest.approx(alone[1], abs=1e-3)


def test_an_answers_likelihood_is_that_of_its_own_tokens(model, examples):
    one = examples[0]
    ids = torch.tensor([one.input_ids])
    with torch.no_grad():
        nats = model(input_ids=ids).logits[0].log_softmax(-1)
        told = losses.log_probabilities(model, padded([one])).item()
    first = len(one.input_ids) - one.learned
    wanted = sum(
        nats[place - 1, one.input_ids[place]].item() for place in range(first, len(one.input_ids))
    )
    assert told == pytest.approx(wanted, abs=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_trl_gives_the_same_loss_on_the_same_batch(
    method: str, base: Path, examples, tmp_path: Path
):
    trl = pytest.importorskip("trl")
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

    reference = AutoModelForCausalLM.from_pretrained(base).eval()
    set_seed(3)
    moved = AutoModelForCausalLM.from_pretrained(base).eval()
    with torch.no_grad():
        for weights in moved.parameters():
            weights.add_(torch.randn_like(weights) * 0.02)
    turn = {"role": "user", "content": "How?"}
    said = [{"role": "assistant", "content": "So."}]
    common = {
        "output_dir": str(tmp_path), "beta": BETA, "report_to": "none", "use_cpu": True,
        "bf16": False, "per_device_train_batch_size": 4, "max_length": None,
    }  # fmt: skip
    words = AutoTokenizer.from_pretrained(base)
    if method == "dpo":
        trainer = trl.DPOTrainer(
            model=moved, ref_model=reference, args=trl.DPOConfig(**common), processing_class=words,
            train_dataset=Dataset.from_list([{"prompt": [turn], "chosen": said, "rejected": said}] * 4),
        )  # fmt: skip
        chosen, rejected = [examples[0], examples[2]], [examples[1], examples[0]]
        theirs = trainer._compute_loss(trainer.model, _trl(chosen + rejected), False)
        with torch.no_grad():
            new, old = ([losses.log_probabilities(one, padded(side)) for side in (chosen, rejected)] for one in (moved, reference))  # fmt: skip
        ours = losses.dpo(*new, *old, beta=BETA).mean()
    else:
        rows_ = [{"prompt": [turn], "completion": said, "label": bool(n % 2)} for n in range(4)]
        trainer = trl.KTOTrainer(
            model=moved, ref_model=reference, processing_class=words,
            args=trl.KTOConfig(**common, desirable_weight=1.0, undesirable_weight=1.3),
            train_dataset=Dataset.from_list(rows_),
        )  # fmt: skip
        answers, strangers = examples, [examples[1], examples[2], examples[0]]
        helpful = [True, False, True]
        batch = _trl(answers) | {f"KL_{name}": value for name, value in _trl(strangers).items()}
        theirs = trainer._compute_loss(
            trainer.model, batch | {"label": torch.tensor(helpful)}, False
        )
        with torch.no_grad():
            new, old = ([losses.log_probabilities(one, padded(side)) for side in (answers, strangers)] for one in (moved, reference))  # fmt: skip
        ours = losses.kto(
            new[0], old[0], torch.tensor(helpful), losses.drift(new[1], old[1]),
            beta=BETA, desirable=1.0, undesirable=1.3,
        ).mean()  # fmt: skip
    assert ours.item() != pytest.approx(math.log(2) if method == "dpo" else 0.5, abs=1e-3)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-4)


def _trl(examples):
    """A batch as TRL's own collators make it."""
    longest = max(len(one.input_ids) for one in examples)

    def fill(values):
        return [*values, *[0] * (longest - len(values))]

    return {
        "input_ids": torch.tensor([fill(one.input_ids) for one in examples]),
        "attention_mask": torch.tensor([fill([1] * len(one.input_ids)) for one in examples]),
        "completion_mask": torch.tensor(
            [fill([int(label != encode.IGNORED) for label in one.labels]) for one in examples]
        ),
    }
