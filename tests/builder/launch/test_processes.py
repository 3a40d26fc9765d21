"""Two processes on two CPUs train what one trains; a step is shared out, and only the first one writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import encode, fit, recipes
from builder.fit import Fitted
from builder.launch import processes
from builder.launch.command import argv
from builder.preference.encoded import Known, Unit
from builder.recipes import Recipe
from lorekeeper import prompt
from lorekeeper import settings as config
from lorekeeper.errors import BadInput

sys.path.insert(0, str(Path(__file__).parents[1]))
import tiny

QUICK = {
    "quantization": "none", "rank": 4, "dropout": 0.0, "learning_rate": 0.01, "epochs": 2, "seed": 5,
    "batch_size": 4, "accumulation": 2, "checkpoint_steps": 2,
}  # fmt: skip


# Three processes that load torch, on a machine that may be loaded itself.
PATIENT = pytest.mark.timeout(900)


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch):
    def are(count: int) -> None:
        monkeypatch.setenv("WORLD_SIZE", str(count))

    return are


@pytest.mark.parametrize(
    ("batch", "accumulation", "count", "each"),
    [(4, 2, 1, (4, 2)), (4, 2, 2, (4, 1)), (4, 2, 8, (1, 1)), (3, 4, 4, (3, 1)), (4, 6, 3, (4, 2))],
)
def test_a_step_is_shared_out(
    many, batch: int, accumulation: int, count: int, each: tuple[int, int]
):
    many(count)
    assert processes.share(batch, accumulation) == each


def test_a_step_that_cannot_be_shared_out_is_refused(many):
    many(3)
    with pytest.raises(BadInput, match="8 rows cannot be shared out among 3"):
        processes.share(4, 2)


@given(st.integers(1, 32), st.integers(1, 16), st.integers(1, 64))
def test_every_step_learns_the_same_number_of_rows(batch: int, accumulation: int, count: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", str(count))
        try:
            size, batches = processes.share(batch, accumulation)
        except BadInput:
            assert batch * accumulation % count
        else:
            assert size * batches * count == batch * accumulation
            assert size <= batch


def test_alone_nobody_is_told_and_nobody_waits():
    processes.tell(lambda: 1 / 0)
    processes.dismiss()


def examples(count: int) -> list[encode.Example]:
    words = tiny.tokenizer()
    return [
        encode.example(
            number,
            prompt.messages(f"Who owns service {number}?"),
            f"Team {chr(65 + number % 7)} {'does ' * (number % 5)}.",
            words,
        )
        for number in range(count)
    ]


def pairs() -> list[Unit]:
    rows = [Known(example=one, helpful=True, reference=-9.0) for one in examples(16)]
    return [Unit(answers=(rows[n], rows[n + 1])) for n in range(0, 16, 2)]


def opinions() -> list[Unit]:
    rows = [
        Known(example=one, helpful=n % 2 == 0, reference=-9.0) for n, one in enumerate(examples(16))
    ]
    return [Unit(answers=(row,), stranger=rows[n - 1]) for n, row in enumerate(rows)]


def packed(base: Path, work: Path) -> Fitted:
    return answers(base, work, packing=True)


def padded(base: Path, work: Path) -> Fitted:
    return answers(base, work, packing=False)


def answers(base: Path, work: Path, *, packing: bool) -> Fitted:
    recipe = recipes.load("lora", QUICK | {"packing": packing})
    model, rows = moved(base, recipe), examples(24)
    fitted = fit.fit(model, rows[:16], recipe, work, silent, validation=rows[16:])
    fit.save(model, work)
    return fitted


def dpo(base: Path, work: Path) -> Fitted:
    return feedback(base, work, pairs(), preference="dpo", accumulation=1)


def kto(base: Path, work: Path) -> Fitted:
    # What it compares with is drawn from all rows of a batch on all processes together.
    return feedback(base, work, opinions(), preference="kto", batch_size=8, accumulation=1)


def feedback(base: Path, work: Path, units: list[Unit], **options: Any) -> Fitted:
    from builder.preference import trainer

    recipe = recipes.load("lora", QUICK | options)
    model = moved(base, recipe)
    fitted = trainer.move(model, units, recipe, work, silent)
    fit.save(model, work)
    return fitted


def moved(base: Path, recipe: Recipe) -> Any:
    """With weights that only the first process knows of: the others get them from it."""
    import torch

    model = fit.load(base, recipe)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.normal_(std=0.02, generator=generator)
    return model


def silent(_: Any) -> Any:
    return SimpleNamespace(cancel_requested_by=None)


WAYS = (packed, padded, dpo, kto)


def every_way(base: Path, where: Path) -> None:
    """In the first process; any other one follows it."""
    if not processes.is_main():
        processes.follow()
        (where / f"followed-{os.environ['RANK']}").touch()
    else:
        for way in WAYS:
            (where / way.__name__).mkdir(parents=True)
            way(base, where / way.__name__)
    processes.dismiss()


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Every way, in this process and in two others."""
    where = {count: tmp_path_factory.mktemp(f"in-{count}") for count in (1, 2)}
    every_way(base, where[1])
    run = SimpleNamespace(id=base)
    words = argv(run, str(where[2]), config.Launch(processes=2), python=sys.executable)  # type: ignore[arg-type]
    module = words.index("builder.train")
    done = subprocess.run(
        [*words[: module - 1], __file__, *words[module + 1 :]],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return where


def losses(work: Path) -> list[float]:
    lines = (work / "metrics.jsonl").read_text().splitlines()
    return [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]


def adapter(work: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(str(work / "adapter" / "adapter_model.safetensors"))


@PATIENT
@pytest.mark.slow
@pytest.mark.parametrize("way", [way.__name__ for way in WAYS])
def test_two_processes_train_what_one_does(trained: dict[int, Path], way: str):
    one, two = trained[1] / way, trained[2] / way
    assert len(losses(two)) == len(losses(one)) > 2, "only the first process writes"
    assert losses(two) == pytest.approx(losses(one), abs=5e-4)
    assert losses(one)[0] != pytest.approx(losses(one)[-1], abs=5e-3), "something was learned"
    for name, values in adapter(one).items():
        assert adapter(two)[name].allclose(values, atol=5e-3), name


@PATIENT
@pytest.mark.slow
@pytest.mark.parametrize("way", ["packed", "padded"])
def test_two_processes_validate_alike(trained: dict[int, Path], way: str):
    one, two = (
        json.loads((trained[count] / way / "validation.json").read_text()) for count in (1, 2)
    )
    assert two == [[step, pytest.approx(loss, abs=5e-4)] for step, loss in one]


@PATIENT
@pytest.mark.slow
def test_the_others_follow_to_the_end(trained: dict[int, Path]):
    assert [path.name for path in trained[2].glob("followed-*")] == ["followed-1"]


if __name__ == "__main__":
    every_way(Path(sys.argv[1]), Path(sys.argv[2]))
