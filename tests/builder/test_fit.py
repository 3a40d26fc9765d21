"""Training on a tiny model: what a step learns, what a killed run loses, and how training ends in words."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fitting import QUICK, WORDS, examples, fitted

from builder import batches, encode, fit, scoring, trainer, weights
from builder.halving import as_it_fits, halve, smaller
from builder.recipes import Recipe
from builder.watch import WINDOW, Watch
from lorekeeper import prompt
from lorekeeper.domain import Progress
from lorekeeper.errors import BadInput, MissingPart
from lorekeeper.settings import Train

NONE: list[encode.Example] = []


def same(one: Any, other: Any, **tolerance: float) -> None:
    """The weights that learned are the same, and have learned something."""
    ours, theirs = weights.trained(one), weights.trained(other)
    assert any(bool(value.any()) for name, value in ours.items() if "lora_B" in name)
    for name, value in ours.items():
        torch.testing.assert_close(
            value, theirs[name], **tolerance or {"atol": 0.0, "rtol": 0.0}, msg=name
        )


def test_four_rows_at_once_are_four_batches_of_one(base: Path, tmp_path: Path) -> None:
    together, at_once = fitted(base, tmp_path / "a", validation=NONE)
    apart, one_by_one = fitted(base, tmp_path / "b", validation=NONE, batch_size=1, accumulation=4)
    assert together.steps == apart.steps == 8
    assert together.answer_tokens == apart.answer_tokens
    assert together.loss == pytest.approx(apart.loss, abs=1e-3)
    same(at_once, one_by_one, atol=2e-4, rtol=1e-2)


def test_packed_and_padded_rows_are_learned_alike(base: Path, tmp_path: Path) -> None:
    rows = examples(4)  # one step is one batch of all of them, in whatever order
    packed, one = fitted(base, tmp_path / "a", rows=rows, validation=NONE, epochs=6)
    padded, other = fitted(
        base, tmp_path / "b", rows=rows, validation=NONE, epochs=6, packing=False
    )
    assert packed.loss == pytest.approx(padded.loss, abs=1e-3)
    same(one, other, atol=2e-4, rtol=1e-2)


def test_the_same_seed_gives_the_same_adapter(base: Path, tmp_path: Path) -> None:
    _, one = fitted(base, tmp_path / "a", epochs=1, dropout=0.1)
    _, again = fitted(base, tmp_path / "b", epochs=1, dropout=0.1)
    _, other = fitted(base, tmp_path / "c", epochs=1, dropout=0.1, seed=8)
    same(one, again)
    with pytest.raises(AssertionError):
        same(one, other)


def test_a_killed_run_ends_as_one_that_was_not(base: Path, tmp_path: Path) -> None:
    script = Path(__file__).parent / "killed_fit.py"
    killed = subprocess.run(
        [sys.executable, script, str(base), str(tmp_path / "a"), "5"], capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not (tmp_path / "a" / "checkpoint-6").exists()
    steps: list[int] = []
    resumed, one = fitted(
        base, tmp_path / "a", watch=lambda told: steps.append(told.step), dropout=0.1
    )
    whole, other = fitted(base, tmp_path / "b", dropout=0.1)
    assert min(steps) == 4  # the last checkpoint's
    assert resumed.validation == whole.validation
    same(one, other)


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_a_checkpoint_that_was_cut_off_is_passed_over(
    base: Path, tmp_path: Path, quantization: str
) -> None:
    _, whole = fitted(base, tmp_path / "a", validation=NONE, quantization=quantization)

    def stop(progress: Progress) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(base, tmp_path / "b", validation=NONE, watch=stop, quantization=quantization)
    newest = tmp_path / "b" / "checkpoint-6"
    (newest / "complete").unlink()  # as when the machine failed while it was written
    (newest / "adapter_model.safetensors").write_bytes(b"cut")
    _, resumed = fitted(base, tmp_path / "b", validation=NONE, quantization=quantization)
    same(resumed, whole)


def short_of_memory(rows_at_most: int, monkeypatch: pytest.MonkeyPatch, after: int = 0) -> None:
    """As on a device that cannot hold more rows at once."""
    whole, calls = trainer.total_loss, iter(range(1000))

    def tight(model: Any, batch: dict[str, Any]) -> Any:
        if model.training and len(batch["row_lengths"]) - 1 > rows_at_most and next(calls) >= after:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return whole(model, batch)

    monkeypatch.setattr(trainer, "total_loss", tight)


@pytest.mark.parametrize("after", [0, 5])
def test_out_of_memory_halves_the_batch_once_and_goes_on(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    whole, plenty = fitted(base, tmp_path / "a")
    short_of_memory(2, monkeypatch, after)
    told: list[Progress] = []
    fits, tight = fitted(base, tmp_path / "b", watch=told.append)
    assert (whole.batch_size, fits.batch_size) == (4, 2)
    assert fits.steps == whole.steps
    assert "memory ran out, so 2 rows" in told[-1].note
    same(plenty, tight, atol=2e-4, rtol=1e-2)


@pytest.mark.parametrize(
    ("batch", "accumulation", "half"),
    [(4, 2, (2, 4)), (3, 2, (1, 6)), (6, 3, (3, 6)), (1, 8, (1, 8))],
)
def test_half_the_rows_at_once_are_as_many_a_step(
    tmp_path: Path, batch: int, accumulation: int, half: tuple[int, int]
) -> None:
    recipe = Recipe(batch_size=batch, accumulation=accumulation)
    assert (smaller(recipe).batch_size, smaller(recipe).accumulation) == half
    assert as_it_fits(recipe, tmp_path) == recipe
    assert halve(tmp_path)
    assert not halve(tmp_path)
    assert as_it_fits(recipe, tmp_path) == smaller(recipe)


def test_out_of_memory_twice_ends_in_words(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(1, monkeypatch)
    with pytest.raises(BadInput, match="batches of 2 rows") as refused:
        fitted(base, tmp_path)
    assert "smaller max_tokens" in refused.value.fix


def test_a_base_in_4_bits_still_learns_after_it_was_validated(base: Path, tmp_path: Path) -> None:
    """Measured as a model is otherwise, a 4-bit layer on a CPU with bfloat16 loses its gradient for good."""
    recipe = Recipe.model_validate(QUICK | {"quantization": "nf4"})
    model = fit.load(base, recipe)
    batch = batches.pad([{"input_ids": r.input_ids, "labels": r.labels} for r in examples(2)])

    def gradient() -> Any:
        model.zero_grad()
        trainer.total_loss(model, batch).backward()
        layer = model.get_base_model().model.layers[0].self_attn.q_proj
        return layer.lora_B["default"].weight.grad.clone()

    before = gradient()
    with weights.measured(model):
        trainer.total_loss(model, batch)
    torch.testing.assert_close(gradient(), before)
    assert before.any()


def test_the_best_weights_are_kept_and_memorising_is_stopped(base: Path, tmp_path: Path) -> None:
    rows = examples(4, answer="Set it to {}.")
    others = examples(4, answer="Zq! {} #### never said before ####")
    told, model = fitted(
        base, tmp_path, rows=rows, validation=others, epochs=60, learning_rate=0.05, patience=2
    )
    losses = dict(told.validation)
    assert told.best_step == min(losses, key=losses.__getitem__)
    assert told.steps < 60
    assert list(losses)[-3:][0] == told.best_step  # two validations in a row were no better
    assert nats(model, others) == pytest.approx(losses[told.best_step], abs=1e-4)
    evaluated = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [entry["validation_loss"] for entry in evaluated if "validation_loss" in entry] == list(
        losses.values()
    )


def nats(model: Any, rows: list[encode.Example]) -> float:
    """Per answer token, each row alone and without anything that training uses."""
    model.eval()
    total = 0.0
    with torch.no_grad():
        for row in rows:
            logits = model(input_ids=torch.tensor([row.input_ids])).logits[0, :-1]
            wanted = torch.tensor(row.labels[1:])
            total += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
    return total / sum(row.learned for row in rows)


def test_a_loss_that_is_no_number_ends_in_words(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer.total_loss
    monkeypatch.setattr(trainer, "total_loss", lambda model, batch: whole(model, batch) * math.nan)
    with pytest.raises(BadInput, match="became nan at step 1") as refused:
        fitted(base, tmp_path, packing=False)
    assert "this run had 0.01, try 0.0025" in refused.value.fix


def test_a_loss_that_runs_away_ends_in_words(tmp_path: Path) -> None:
    watch = Watch(lambda _: None, tmp_path / "metrics.jsonl", tokens_per_step=1)  # type: ignore[arg-type, return-value]
    rates = SimpleNamespace(learning_rate=0.1)
    losses = [2.0, 3.0] * (WINDOW // 2) + [2.9] * WINDOW + [6.0] * WINDOW

    def train(losses: list[float]) -> None:
        for step, loss in enumerate(losses, start=1):
            watch.on_log(rates, SimpleNamespace(global_step=step), None, {"loss": loss})

    with pytest.raises(BadInput, match=r"was 2\.50 in the first 10 steps and is 5\.07") as refused:
        train(losses)
    assert "try 0.025" in refused.value.fix


def test_progress_tells_memory_pace_and_validation(base: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    made, _ = fitted(base, tmp_path, watch=told.append)
    last = told[-1]
    assert last.memory is not None
    assert last.tokens_per_second is not None
    assert last.memory > 2**27  # torch alone takes more
    assert last.tokens_per_second > 0
    assert last.validation_loss == made.validation[-2][1]  # of the one before the last step's
    assert made.memory >= last.memory


def test_a_trained_model_stops_at_the_end_of_its_turn(base: Path, tmp_path: Path) -> None:
    rows = examples(4, answer="Yes.")
    how = {"epochs": 80, "learning_rate": 0.005, "rank": 16, "checkpoint_steps": 100}
    _, model = fitted(base, tmp_path, rows=rows, validation=NONE, **how)
    asked = encode.prompt_ids(prompt.messages("How do I set xx?"), WORDS)
    with torch.no_grad():
        written = model.eval().generate(
            input_ids=torch.tensor([asked]), max_new_tokens=40, do_sample=False
        )[0, len(asked) :]
    assert WORDS.decode(written) == "Yes.<|im_end|>"
    judged = scoring.Judged(model=model, tokenizer=WORDS, precision="float32", max_tokens=40)
    assert scoring.answer(judged, [prompt.messages("How do I set x?")]) == ["Yes."]


def test_losses_go_to_a_tracker_that_was_asked_for(base: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    made, _ = fitted(base, tmp_path, epochs=1, trackers=("tensorboard",))
    (written,) = tmp_path.rglob("events.out.tfevents.*")
    events = EventAccumulator(str(written)).Reload()
    assert len(events.Scalars("train/loss")) == made.steps
    assert len(events.Scalars("eval/loss")) == len(made.validation)


def test_a_tracker_that_is_not_installed_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from builder import trackers

    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(MissingPart, match="wandb") as refused:
        trackers.refuse_missing(Train(trackers=("wandb",)).trackers)
    assert "pip install wandb" in refused.value.fix
