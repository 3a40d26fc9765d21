"""Every string finds its rows, whatever characters it is made of."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval import lookup
from retrieval.lookup import Lookup

strings = st.text(st.characters(exclude_categories=()), max_size=6)  # lone surrogates included


@given(rows=st.lists(st.dictionaries(strings, st.integers(1, 70_000), max_size=5), max_size=10))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_was_written_is_found_and_nothing_else(
    tmp_path: Path, rows: list[dict[str, int]]
) -> None:
    lookup.write(rows, tmp_path, "words")
    opened = Lookup(tmp_path, "words")
    for key in {key for held in rows for key in held} | {"never written"}:
        holding = [row for row, held in enumerate(rows) if key in held]
        assert opened.rows(key).tolist() == holding
        assert opened.counts(key).tolist() == [rows[row][key] for row in holding]
