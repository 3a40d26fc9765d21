"""A run's time and its device's power in; what it took, and what that cost, with every assumption named, out."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorekeeper import hardware
from lorekeeper.artifacts import write_whole
from lorekeeper.settings import Energy as Rules
from lorekeeper.store.rows import plain, revive

FILE = "energy.json"
EVERY = 5.0  # seconds between two looks at the power
HOUR = 3600.0
KWH = 3.6e6  # joules
WATTS_A_CORE = 10.0
"""Of a busy core with its share of the machine, where nothing tells: a server processor of 250 W has
some 32 cores, and memory, fans and losses add a quarter."""
RAPL = Path("/sys/class/powercap")

MEASURED_GPU = "measured: power of the GPU, as its driver tells"
MEASURED_CPU = "measured: the processor's own counter (RAPL), without memory, disks and fans"
SET = "assumed: LORE_ENERGY__WATTS"
ASSUMED = f"assumed: {WATTS_A_CORE:.0f} W for each core"


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What a run took, over all of its attempts."""

    seconds: float
    joules: float
    gpus: int
    source: str  # measured or assumed, and how
    kwh_price: float = 0.0  # in the currency of the settings; 0: not told
    gpu_hour_price: float = 0.0
    currency: str = ""

    @property
    def kwh(self) -> float:
        return self.joules / KWH

    @property
    def cost(self) -> float:
        """Of the electricity and of the hours of the GPUs, as far as their prices are set."""
        return self.kwh * self.kwh_price + self.seconds / HOUR * self.gpus * self.gpu_hour_price

    @property
    def told(self) -> str:
        """In words, with the assumption."""
        used = f"{self.kwh:.3f} kWh in {self.seconds / 60:.1f} minutes ({self.source})"
        if not self.kwh_price and not self.gpu_hour_price:
            return f"{used}; no price is set"
        return (
            f"{used}; {self.cost:.2f} {self.currency} at {self.kwh_price:g} a kWh"
            f" and {self.gpu_hour_price:g} a GPU-hour"
        )


@contextmanager
def metered(work: Path, rules: Rules, *, every: float = EVERY) -> Iterator[None]:
    """Count what is used until the block ends, in `work`; an earlier attempt's use is added to."""
    work.mkdir(parents=True, exist_ok=True)
    meter = _Meter(work / FILE, rules)
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(every):
            meter.look()

    thread = threading.Thread(target=look, name="energy", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        meter.look()


def used(work: Path) -> Energy | None:
    """What the run in this folder took so far; None where nothing counted."""
    path = work / FILE
    if not path.is_file():
        return None
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return revive(Energy, kept)


class _Meter:
    """Adds up power over time."""

    def __init__(self, file: Path, rules: Rules) -> None:
        self._file = file
        self._rules = rules
        before = used(file.parent)
        self._seconds = before.seconds if before else 0.0
        self._joules = before.joules if before else 0.0
        self._joules_since, self._source = _counter(rules)
        self._at = time.monotonic()
        self.look()

    def look(self) -> None:
        now = time.monotonic()
        seconds = now - self._at
        self._at = now
        self._seconds += seconds
        self._joules += self._joules_since(seconds)
        made = Energy(
            seconds=self._seconds,
            joules=self._joules,
            gpus=len(hardware.gpus()),
            source=self._source,
            kwh_price=self._rules.kwh_price,
            gpu_hour_price=self._rules.gpu_hour_price,
            currency=self._rules.currency,
        )
        write_whole(self._file, json.dumps(plain(made)))


def _counter(rules: Rules) -> tuple[Callable[[float], float], str]:
    """What gives the joules of the last so many seconds, and how it knows."""
    if hardware.gpus() and hardware.gpu_watts():
        return lambda seconds: seconds * sum(hardware.gpu_watts()), MEASURED_GPU
    if rules.watts:
        return lambda seconds: seconds * rules.watts, SET
    counters = _rapl()
    if counters:
        return _RaplCounter(counters), MEASURED_CPU
    return lambda seconds: seconds * WATTS_A_CORE * _cores(), ASSUMED


def _rapl() -> list[Path]:
    """The counters of whole processors that this process may read; most systems let only root."""
    found = sorted(RAPL.glob("intel-rapl:[0-9]*"))
    packages = [path for path in found if path.name.count(":") == 1]
    return [path for path in packages if os.access(path / "energy_uj", os.R_OK)]


class _RaplCounter:
    """Microjoules that count up and begin again at a limit of their own."""

    def __init__(self, counters: list[Path]) -> None:
        self._counters = counters
        self._before = self._read()

    def __call__(self, _seconds: float) -> float:
        before, self._before = self._before, self._read()
        return (
            sum(
                (
                    now - then
                    if now >= then
                    else now + _number(counter / "max_energy_range_uj") - then
                )
                for counter, then, now in zip(self._counters, before, self._before, strict=True)
            )
            / 1e6
        )

    def _read(self) -> list[int]:
        return [_number(counter / "energy_uj") for counter in self._counters]


def _number(path: Path) -> int:
    return int(path.read_text())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
