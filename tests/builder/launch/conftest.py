"""A claimed run, settings, and a folder for programs that stand in front of the real ones."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lorekeeper import settings as config
from lorekeeper.domain import Run, RunState

sys.path.insert(0, str(Path(__file__).parent))

Program = Callable[[str, str], Path]


@pytest.fixture(scope="session")
def alone(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The work folder of a way of training in this process; each is trained once."""
    import together

    where = tmp_path_factory.mktemp("alone")

    def trained(way: str) -> Path:
        if not (where / way).is_dir():
            together.train(base, where, [way])
        return where / way

    return trained


@pytest.fixture
def run() -> Run:
    return Run(
        id=7, dataset_id=1, recipe="qlora", options={}, base_model="tiny", attempt=2,
        state=RunState.RUNNING, requested_by="U1", requested_at=0.0,
    )  # fmt: skip


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Put a program in front of every other one of its name."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def put(name: str, text: str) -> Path:
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return put


@pytest.fixture
def settings(data: Path) -> Callable[..., config.Settings]:
    def make(**launch: object) -> config.Settings:
        return config.Settings(
            store=config.Store(data=data, database="postgresql://lore:very-secret@db/lore"),
            launch=config.Launch.model_validate({"look_seconds": 0.01, **launch}),
        )

    return make
