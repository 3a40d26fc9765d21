"""The migrations lead to the tables as they are declared."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from lorekeeper.store import open_database
from lorekeeper.tables import metadata


def test_migrating_gives_the_declared_tables(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'new.sqlite'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        open_database(f"sqlite:///{tmp_path / 'new.sqlite'}").dispose()
