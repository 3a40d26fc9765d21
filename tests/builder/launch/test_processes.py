"""Two processes on two CPUs train what one trains; a step is shared out, and only the first one writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import together
from hypothesis import given
from hypothesis import strategies as st
from together import PATIENT, adapter, losses

from builder.launch import processes
from lorekeeper.errors import BadInput

Alone = Callable[[str], Path]
WAYS = ("packed", "disputed", "padded", "dpo", "kto")


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


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every way, in two processes."""
    where = tmp_path_factory.mktemp("in-two")
    done = together.in_two(base, where, WAYS, sharded=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return where


@PATIENT
@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_two_processes_train_what_one_does(alone: Alone, trained: Path, way: str):
    one, two = alone(way), trained / way
    assert len(losses(two)) == len(losses(one)) > 2, "only the first process writes"
    assert losses(two) == pytest.approx(losses(one), abs=5e-4)
    assert losses(one)[0] != pytest.approx(losses(one)[-1], abs=5e-3), "something was learned"
    for name, values in adapter(one).items():
        assert adapter(two)[name].allclose(values, atol=5e-3), name


@PATIENT
@pytest.mark.slow
@pytest.mark.parametrize("way", ["packed", "padded"])
def test_two_processes_validate_alike(alone: Alone, trained: Path, way: str):
    one, two = (
        json.loads((work / "validation.json").read_text()) for work in (alone(way), trained / way)
    )
    assert two == [[step, pytest.approx(loss, abs=5e-4)] for step, loss in one]


@PATIENT
@pytest.mark.slow
def test_the_others_follow_to_the_end(trained: Path):
    assert [path.name for path in trained.glob("followed-*")] == ["followed-1"]
