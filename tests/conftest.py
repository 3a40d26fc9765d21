"""What every test may ask for: a database with the current schema, a data folder, a clean environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine

from lorekeeper.store import connect
from lorekeeper.tables import metadata

# No test asserts a time: a loaded machine is no defect.
hypothesis_settings.register_profile("lorekeeper", deadline=None, max_examples=50)
hypothesis_settings.load_profile("lorekeeper")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("LORE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An empty data folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def engine(data: Path) -> Iterator[Engine]:
    """A database of its own, with every table."""
    made = connect(f"sqlite:///{data / 'lorekeeper.sqlite'}")
    with made.begin() as db:
        metadata.create_all(db)
    yield made
    made.dispose()
