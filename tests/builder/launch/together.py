"""Some ways of training the tiny model, in this process or, started by `accelerate launch`, in several.

`python together.py BASE WHERE WAY…` trains each way into a folder of its name in WHERE.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from builder import encode, fit, recipes, shards, watch
from builder.fit import Fitted
from builder.launch import processes
from builder.launch.command import argv
from builder.preference.encoded import Known, Unit
from builder.recipes import Recipe
from lorekeeper import prompt
from lorekeeper import settings as config

sys.path.insert(0, str(Path(__file__).parents[1]))
import tiny

QUICK = {
    "quantization": "none", "rank": 4, "dropout": 0.0, "learning_rate": 0.01, "epochs": 2, "seed": 5,
    "batch_size": 4, "accumulation": 2, "checkpoint_steps": 2,
}  # fmt: skip
STOPPED = 3  # the step after which `stopped` fails the first time

# Three processes that load torch, on a machine that may be loaded itself.
PATIENT = pytest.mark.timeout(900)


def train(base: Path, where: Path, ways: Sequence[str]) -> None:
    """In the first process; any other one follows it."""
    if not processes.is_main():
        processes.follow()
        (where / f"followed-{os.environ['RANK']}").touch()
    else:
        for way in ways:
            (where / way).mkdir(parents=True, exist_ok=True)
            WAYS[way](base, where / way)
        shards.let_go()
    processes.dismiss()


def in_two(
    base: Path, where: Path, ways: Sequence[str], *, sharded: bool
) -> subprocess.CompletedProcess[str]:
    """The same in two processes, as a launcher starts them."""
    run: Any = SimpleNamespace(id=base)
    words = argv(run, str(where), config.Launch(processes=2), python=sys.executable)
    module = words.index("builder.train")
    settings = {"LORE_LAUNCH__SHARDED": str(sharded).lower(), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*words[: module - 1], __file__, *words[module + 1 :], *ways],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )


def packed(base: Path, work: Path) -> Fitted:
    return answers(base, work, packing=True)


def disputed(base: Path, work: Path) -> Fitted:
    """The other processes would rather pad."""
    processes.tell(disagree)
    return answers(base, work, packing=True)


def disagree() -> None:
    fit.AGREE = -1.0


def padded(base: Path, work: Path) -> Fitted:
    return answers(base, work, packing=False)


def quantized(base: Path, work: Path) -> Fitted:
    """QLoRA, as on a GPU: in 4 bits, layers computed again for their gradients."""
    return answers(base, work, packing=True, quantization="nf4", recompute="always")


def stopped(base: Path, work: Path) -> Fitted:
    """Fails in the first process alone; started again, it goes on."""
    again = (work / "failed").exists()

    def report(progress: Any) -> Any:
        if not again and progress.step == STOPPED:
            (work / "failed").touch()
            raise InterruptedError
        return silent(progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "EVERY", 0.0)  # tell every step
        return answers(base, work, packing=False, report=report)


def answers(
    base: Path, work: Path, *, report: Callable[[Any], Any] | None = None, **options: Any
) -> Fitted:
    recipe = recipes.load("lora", QUICK | options)
    model, rows = moved(base, recipe), examples(24)
    processes.tell(weigh, None, work)
    weigh(model, work)
    fitted = fit.fit(model, rows[:16], recipe, work, report or silent, validation=rows[16:])
    fit.save(model, work)
    return fitted


def twice(base: Path, work: Path) -> Fitted:
    """One model, trained on some rows and then on others, as stages are."""
    recipe = recipes.load("lora", QUICK)
    model, rows = moved(base, recipe), examples(24)
    (work / "before").mkdir()
    fit.fit(model, rows[16:], recipe, work / "before", silent)
    fitted = fit.fit(model, rows[:16], recipe, work, silent)
    fit.save(model, work)
    return fitted


def dpo(base: Path, work: Path) -> Fitted:
    return feedback(base, work, pairs(), preference="dpo", accumulation=1)


def kto(base: Path, work: Path) -> Fitted:
    # What it compares with is drawn from all rows of a batch on all processes together.
    return feedback(base, work, opinions(), preference="kto", batch_size=8, accumulation=1)


def feedback(base: Path, work: Path, units: list[Unit], **options: Any) -> Fitted:
    from builder.preference import measure, trainer

    recipe = recipes.load("lora", QUICK | options)
    model = moved(base, recipe)
    fitted = trainer.move(model, units, recipe, work, silent)
    thought = measure.think(model, examples(4))
    (work / "thought.json").write_text(json.dumps(thought))
    fit.save(model, work)
    return fitted


WAYS = {
    way.__name__: way for way in (packed, disputed, padded, quantized, stopped, twice, dpo, kto)
}


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


def moved(base: Path, recipe: Recipe) -> Any:
    """With weights that only the first process knows of: the others get them from it."""
    import torch

    model = fit.load(base, recipe)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if "lora_B" in name:
                values.normal_(std=0.02, generator=generator)
    return model


def silent(_: Any) -> Any:
    return SimpleNamespace(cancel_requested_by=None)


def weigh(model: Any, work: Path) -> None:
    """Write how many bytes of the frozen base this process holds; one beside the first has no other model."""
    if model is None and not processes.is_sharded():
        return
    model = model if model is not None else shards.held()
    frozen = [value for value in model.parameters() if not value.requires_grad]
    held = sum(getattr(value, "_local_tensor", value).nbytes for value in frozen)
    (work / f"holds-{os.environ.get('RANK', '0')}").write_text(str(held))


def losses(work: Path) -> list[float]:
    lines = (work / "metrics.jsonl").read_text().splitlines()
    return [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]


def adapter(work: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(str(work / "adapter" / "adapter_model.safetensors"))


if __name__ == "__main__":
    train(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
