"""Rows become a Markdown table, cell by cell, and the table is read back as a table."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from retrieval.tables import as_markdown, from_csv

cells = st.text(alphabet=st.characters(categories=["L", "N", "P", "Z"]), max_size=12)
rows = st.lists(st.lists(cells, min_size=2, max_size=5), min_size=1, max_size=6)


def test_empty_rows_and_columns_are_left_out_and_short_rows_filled() -> None:
    assert as_markdown([["a", "", "b"], ["", "", ""], ["1"]]) == (
        "| a | b |\n| --- | --- |\n| 1 |  |"
    )
    assert as_markdown([["", " "]]) == as_markdown([]) == ""


def test_a_bar_and_a_line_break_in_a_cell_do_not_break_the_table() -> None:
    assert as_markdown([["a|b", "c\nd"]]) == "| a\\|b | c d |\n| --- | --- |"


def test_one_column_is_a_table_too() -> None:
    assert from_csv("name\nrelay\n") == "| name |\n| --- |\n| relay |"


@given(rows)
def test_every_row_with_words_is_a_row_of_one_table(rows: list[list[str]]) -> None:
    table = as_markdown(rows)
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    tokens = MarkdownIt("commonmark").enable("table").parse(table)
    assert sum(token.type == "table_open" for token in tokens) == bool(filled)
    assert sum(token.type == "tr_open" for token in tokens) == len(filled)


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b c", 'd"e', "1"]), min_size=3, max_size=3), min_size=3
    )
)
def test_no_cell_of_a_csv_file_is_lost(rows: list[list[str]]) -> None:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    table = from_csv(written.getvalue())
    assert [line for line in table.split("\n") if "---" not in line] == [
        f"| {' | '.join(row)} |" for row in rows
    ]
