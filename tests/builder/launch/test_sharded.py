"""Two processes with half of the frozen base each train what one process does with all of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import together
from together import PATIENT, adapter, losses

from builder.possible import refuse_impossible
from builder.recipes import Recipe
from lorekeeper.errors import BadInput

Alone = Callable[[str], Path]
WAYS = ("quantized", "twice", "dpo", "kto")


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shares")


@pytest.fixture(scope="module")
def begun(base: Path, where: Path) -> subprocess.CompletedProcess[str]:
    """Every way to its end, and one more in which the first process fails."""
    done = together.in_two(base, where, [*WAYS, "stopped"], sharded=True)
    assert not (where / "stopped" / "adapter").exists()
    return done


@pytest.fixture(scope="module")
def resumed(
    base: Path, where: Path, begun: subprocess.CompletedProcess[str]
) -> subprocess.CompletedProcess[str]:
    """What had failed, started again."""
    return together.in_two(base, where, ["stopped"], sharded=True)


@PATIENT
@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_in_shares_the_same_is_learned(alone: Alone, where: Path, begun, way: str):
    one, two = alone(way), where / way
    assert two.is_dir(), begun.stderr[-4000:]
    assert len(losses(two)) == len(losses(one)) > 2, "only the first process writes"
    assert losses(two) == pytest.approx(losses(one), abs=5e-4)
    assert losses(one)[0] != pytest.approx(losses(one)[-1], abs=5e-3), "something was learned"
    assert adapter(two).keys() == adapter(one).keys(), "whole, under the names that peft knows"
    for name, values in adapter(one).items():
        assert adapter(two)[name].allclose(values, atol=5e-3), name


@PATIENT
@pytest.mark.slow
def test_each_process_holds_half_of_the_base(alone: Alone, where: Path, begun):
    whole = int((alone("quantized") / "holds-0").read_text())
    shares = [int((where / "quantized" / f"holds-{rank}").read_text()) for rank in (0, 1)]
    assert shares == pytest.approx([whole / 2, whole / 2], rel=0.02)


@PATIENT
@pytest.mark.slow
def test_validation_is_the_same(alone: Alone, where: Path, begun):
    one, two = (
        json.loads((work / "quantized" / "validation.json").read_text())
        for work in (alone("quantized").parent, where)
    )
    assert two == [[step, pytest.approx(loss, abs=5e-4)] for step, loss in one]


@PATIENT
@pytest.mark.slow
@pytest.mark.parametrize("way", ["dpo", "kto"])
def test_answers_are_thought_of_alike(alone: Alone, where: Path, begun, way: str):
    one, two = (
        json.loads((work / way / "thought.json").read_text()) for work in (alone(way).parent, where)
    )
    assert two == pytest.approx(one, rel=1e-3)


@PATIENT
@pytest.mark.slow
def test_when_the_first_process_fails_all_end(begun):
    assert begun.returncode != 0
    assert "InterruptedError" in begun.stderr


@PATIENT
@pytest.mark.slow
def test_started_again_it_ends_as_if_nothing_had_been(alone: Alone, where: Path, resumed):
    assert resumed.returncode == 0, resumed.stderr[-4000:]
    one, two = alone("padded"), where / "stopped"
    assert losses(two) == pytest.approx(losses(one), abs=5e-4)
    for name, values in adapter(one).items():
        assert adapter(two)[name].allclose(values, atol=5e-3), name
    validated = json.loads((two / "validation.json").read_text())
    assert [step for step, _ in validated] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "changes", [{"trains": "upper"}, {"trains": "all"}, {"dora": True, "merged": True}]
)
def test_what_cannot_be_shared_out_is_refused(
    base: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
):
    recipe = Recipe.model_validate({"quantization": "none", "upper_layers": 1} | changes)
    monkeypatch.setenv("LORE_LAUNCH__SHARDED", "true")
    refuse_impossible(base, recipe)  # one process holds everything, whatever the setting says
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadInput, match="LORE_LAUNCH__SHARDED"):
        refuse_impossible(base, recipe)
