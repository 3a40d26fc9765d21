"""Rows on their sides: a group never parts, stays where it is, and nothing that judges is learned."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.tasks.rows import TaskRow, TaskRows, apart, read, split, write
from lorekeeper.errors import BadInput

LISTS = st.lists(
    st.tuples(st.integers(0, 12), st.text("abcdefg ", min_size=1, max_size=30)),
    min_size=2, max_size=30,
)  # fmt: skip


def row(text: str, group: str = "", output: str = "x") -> TaskRow:
    return TaskRow(input=text, output=output, group=group or text)


def rows_of(given_rows: list[tuple[int, str]]) -> list[TaskRow]:
    return [row(text, f"g{group}") for group, text in given_rows]


@given(LISTS)
def test_every_row_is_on_one_side_and_no_group_is_on_both(
    given_rows: list[tuple[int, str]],
) -> None:
    rows = rows_of(given_rows)
    try:
        made = split(rows, share=0.3)
    except BadInput:
        return
    assert sorted(map(str, (*made.train, *made.heldout))) == sorted(map(str, rows))
    assert made.train
    assert made.heldout
    assert not {one.group for one in made.train} & {one.group for one in made.heldout}


@given(st.integers(12, 40), st.integers(1, 30))
def test_a_group_that_was_held_out_stays_held_out_when_others_come(before: int, more: int) -> None:
    rows = [row(f"{number}") for number in range(before + more)]
    first, later = split(rows[:before], share=0.3), split(rows, share=0.3)
    if len(first.heldout) > 1:  # one alone is held out for want of another
        assert {one.group for one in first.heldout} <= {one.group for one in later.heldout}


def test_the_share_that_is_held_out_is_about_the_wanted_one() -> None:
    made = split([row(f"{number}") for number in range(1000)], share=0.2)
    assert 160 < len(made.heldout) < 240


def test_rows_with_the_same_input_never_part() -> None:
    rows = [row("the same", f"g{number}") for number in range(20)] + [row("another")]
    made = split(rows, share=0.5)
    sides = [{one.input for one in side} for side in (made.train, made.heldout)]
    assert {"the same"} in sides


def test_rows_that_all_belong_together_are_refused() -> None:
    with pytest.raises(BadInput, match="5 rows make 1 group"):
        split([row(f"{number}", "one") for number in range(5)], share=0.2)


def test_what_judges_is_not_learned_by_group_by_words_or_by_answer() -> None:
    long_answer = "restart the ingest worker and then wait until the queue is empty again"
    train = (
        row("kept as it is", "k"),
        row("of the conversation that judges", "C1/1.0"),
        row("why does the nightly build of the api fail now", "b"),
        row("short", "s"),
        row("different question", "d", long_answer),
        row(long_answer, "a", "where that was said"),
    )
    judging = [
        row("anything", "C1/1.0"),
        row("Why does the nightly build of the API fail?", "x"),
        row("SHORT", "y"),
        row("whatever", "z", long_answer),
    ]
    made = apart(TaskRows(train=train, heldout=()), judging)
    assert [one.input for one in made.train] == ["kept as it is"]
    assert made.left_out == ("5 rows to train on say nearly the same as what judges",)


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    made = TaskRows(train=(row("one\u2028line"),), heldout=(row("zwei", output="“drei”"),))
    write(tmp_path, made)
    assert read(tmp_path) == made
    assert read(tmp_path).version == made.version
    assert TaskRows(train=made.heldout, heldout=made.train).version != made.version
