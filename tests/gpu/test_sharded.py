"""On GPUs: a base in 4 bits that is shared out computes what a whole one does, and takes its share of the memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "builder" / "launch"))
import together
from together import PATIENT, adapter, losses

from builder import batches, recipes, trainer, weights
from builder.launch import processes
from lorekeeper import hardware

pytestmark = [
    pytest.mark.gpu,
    PATIENT,
    pytest.mark.skipif(not hardware.gpus(), reason="there is no NVIDIA GPU"),
]
two_gpus = pytest.mark.skipif(len(hardware.gpus()) < 2, reason="there is one GPU")
WAYS = ("packed", "quantized", "dpo")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return together.tiny.save_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """On two GPUs: each with the whole base, and each with half of it."""
    where = {sharded: tmp_path_factory.mktemp("two") for sharded in (False, True)}
    for sharded, folder in where.items():
        done = together.in_two(base, folder, WAYS, sharded=sharded)
        assert done.returncode == 0, done.stderr[-4000:]
    return where


def test_a_gpu_that_holds_all_shares_computes_what_it_does_with_a_whole_base(base: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=1"]
    done = subprocess.run(
        [*torchrun, "--standalone", __file__, str(base)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    # The one was quantised in main memory, the other on the GPU.
    assert found["share"] == pytest.approx(found["whole"], rel=1e-3)
    assert found["alike"] > 0.999
    assert found["kinds"] == ["DTensor", "Parameter"], "the base is shared out, the adapter is not"


@two_gpus
@pytest.mark.parametrize("way", WAYS)
def test_two_gpus_with_half_of_the_base_each_learn_the_same(
    trained: dict[bool, Path], way: str
) -> None:
    whole, half = trained[False] / way, trained[True] / way
    assert losses(half) == pytest.approx(losses(whole), abs=2e-2)
    for name, values in adapter(whole).items():
        assert adapter(half)[name].allclose(values, atol=2e-2), name


@two_gpus
def test_each_gpu_holds_half_of_the_base(trained: dict[bool, Path]) -> None:
    whole = int((trained[False] / "quantized" / "holds-0").read_text())
    for rank in (0, 1):
        share = int((trained[True] / "quantized" / f"holds-{rank}").read_text())
        assert share == pytest.approx(whole / 2, rel=0.02)


def _compare(base: Path) -> dict[str, Any]:
    """Loss and gradients of an untrained adapter on the whole base, and on one that is shared out among one."""
    import torch

    recipe = recipes.load("lora", together.QUICK | {"quantization": "nf4"})
    rows = [{"input_ids": row.input_ids, "labels": row.labels} for row in together.examples(4)]
    found = []
    for sharded in (False, True):
        with mock.patch.object(processes, "is_sharded", return_value=sharded):
            model = weights.load(base, recipe)
        batch = trainer.on_device(batches.pad(rows), next(iter(weights.trained(model).values())).device)  # fmt: skip
        loss = trainer.total_loss(model.train(), batch)
        loss.backward()
        gradients = torch.cat([value.grad.flatten() for value in weights.trained(model).values()])
        found.append(
            (loss.item(), gradients, {type(value).__name__ for value in model.parameters()})
        )
    (whole, one, _), (share, other, kinds) = found
    alike = float(torch.nn.functional.cosine_similarity(one, other, dim=0))
    return {"whole": whole, "share": share, "alike": alike, "kinds": sorted(kinds)}


if __name__ == "__main__":
    print(json.dumps(_compare(Path(sys.argv[1]))))
