"""A Parquet file in; its entries, batch by batch, out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from builder.imports.entries import Columns, Entry, Problem
from builder.imports.shapes import entries
from lorekeeper.errors import BadInput

BATCH = 1000  # rows in memory


def read(path: Path, columns: Columns) -> Iterator[Entry | Problem]:
    """Each row as a record of one of the known shapes; `line` is its number.

    Raises:
        BadInput: it is not Parquet, or damaged.
    """
    import pyarrow as arrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                for record in batch.to_pylist():
                    number += 1
                    yield from entries(number, record)
    except (arrow.ArrowException, OSError) as error:
        raise BadInput(
            f"{path.name} cannot be read as Parquet: {error}.", fix="Export it again."
        ) from None
