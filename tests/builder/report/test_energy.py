"""What a run takes: measured where a device tells, else assumed, and the assumption named."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.report import energy
from lorekeeper import hardware
from lorekeeper.settings import Energy


@pytest.fixture(autouse=True)
def _plain_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No GPU, and no counter of the processor."""
    monkeypatch.setattr(hardware, "gpus", lambda: ())
    monkeypatch.setattr(energy, "RAPL", tmp_path / "none")


def test_power_that_is_set_is_multiplied_by_the_time(tmp_path: Path) -> None:
    rules = Energy(watts=100, kwh_price=0.4)
    meter = energy._Meter(tmp_path / energy.FILE, rules)
    meter._at -= 3600
    meter.look()
    found = energy.used(tmp_path)
    assert found is not None
    assert found.kwh == pytest.approx(0.1, rel=0.01)
    assert found.cost == pytest.approx(0.04, rel=0.01)
    assert "assumed: LORE_ENERGY__WATTS" in found.told
    assert "0.04 EUR" in found.told


def test_an_assumption_is_named_and_a_missing_price_too(tmp_path: Path) -> None:
    with energy.metered(tmp_path, Energy(), every=0.01):
        pass
    found = energy.used(tmp_path)
    assert found is not None
    assert "assumed: 10 W for each core; no price is set" in found.told.replace(")", "")


def test_what_an_earlier_attempt_took_is_added_to(tmp_path: Path) -> None:
    for _ in range(2):
        meter = energy._Meter(tmp_path / energy.FILE, Energy(watts=50))
        meter._at -= 10
        meter.look()
    found = energy.used(tmp_path)
    assert found is not None
    assert found.seconds == pytest.approx(20, abs=5)
    assert found.joules == pytest.approx(found.seconds * 50)


def test_the_processors_counter_is_read_where_it_may_be_and_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = tmp_path / "intel-rapl:0"
    counter.mkdir()
    (counter / "max_energy_range_uj").write_text("10000000")
    (counter / "energy_uj").write_text("9000000")
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of the same processor; counted with it
    monkeypatch.setattr(energy, "RAPL", tmp_path)
    meter = energy._Meter(tmp_path / energy.FILE, Energy())
    (counter / "energy_uj").write_text("2000000")
    meter.look()
    found = energy.used(tmp_path)
    assert found is not None
    assert found.joules == pytest.approx(3.0)
    assert "RAPL" in found.source


def test_a_gpu_that_tells_its_power_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "gpus", lambda: ("A GPU", "A GPU"))
    monkeypatch.setattr(hardware, "gpu_watts", lambda: (300.0, 100.0))
    meter = energy._Meter(tmp_path / energy.FILE, Energy(gpu_hour_price=2))
    meter._at -= 3600
    meter.look()
    found = energy.used(tmp_path)
    assert found is not None
    assert found.kwh == pytest.approx(0.4, rel=0.01)
    assert found.cost == pytest.approx(4.0, rel=0.01)


def test_nothing_was_counted_where_nothing_ran(tmp_path: Path) -> None:
    assert energy.used(tmp_path) is None
