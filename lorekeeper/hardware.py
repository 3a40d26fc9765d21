"""This machine in; what it can compute with, found without loading torch, out."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

_NUMBER = re.compile(r"\d+(\.\d+)?")


@cache
def gpus() -> tuple[str, ...]:
    """Names of the NVIDIA GPUs that the driver shows; empty without one."""
    return _ask("name")


def free_gpu_memory() -> tuple[int, ...]:
    """Bytes that are free now on each GPU."""
    return tuple(int(mebibytes) * 2**20 for mebibytes in _ask("memory.free"))


def gpu_watts() -> tuple[float, ...]:
    """What each GPU draws now; empty where the driver does not tell for all of them."""
    told = _ask("power.draw")
    return tuple(map(float, told)) if all(_NUMBER.fullmatch(watts) for watts in told) else ()


def free_memory() -> int | None:
    """Bytes of main memory that a new process may take (Linux); None where that is not told."""
    about = Path("/proc/meminfo")
    if not about.is_file():
        return None
    lines = dict(line.split(":", 1) for line in about.read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) * 2**10


@cache
def cpu_flags() -> frozenset[str]:
    """What the processor can do, in Linux's names (`avx512_bf16`, `amx_bf16`, …)."""
    about = Path("/proc/cpuinfo")
    if not about.is_file():
        return frozenset()
    for line in about.read_text().splitlines():
        if line.startswith("flags"):
            return frozenset(line.split(":", 1)[1].split())
    return frozenset()


def cpu_computes_bfloat16() -> bool:
    """Whether bfloat16 is faster than float32 here; without its instructions it is far slower."""
    return bool({"avx512_bf16", "amx_bf16"} & cpu_flags())


def _ask(field: str) -> tuple[str, ...]:
    """One line a GPU of what `nvidia-smi` tells; empty without one."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    asked = subprocess.run(
        [program, f"--query-gpu={field}", "--format=csv,noheader,nounits"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return tuple(line.strip() for line in asked.stdout.splitlines()) if not asked.returncode else ()
