"""Rows of any words in; files of every format that give the same rows back, out."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from builder.dataset import Row
from builder.exports import Format, write
from builder.imports.entries import Entry, clean
from builder.imports.files import read

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60).map(clean)
SAID = (
    TEXT | st.sampled_from(['=1+1 "quoted", and\nnew line', "a\u2028b", "שלום", "a,b;c\td"])
).filter(bool)
LISTED = st.lists(SAID, max_size=3, unique=True).map(tuple)
ROWS = st.lists(
    st.builds(
        Row,
        pair_id=st.integers(0, 2**40),
        question=SAID,
        answer=SAID,
        conversation=TEXT,
        source=TEXT,
        scope=TEXT,
        answer_ts=TEXT,
        channel=TEXT,
        authors=LISTED,
        tags=LISTED,
        redactions=LISTED,
        also_asked=LISTED,
        rejected_answer=st.none() | SAID,
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("format", list(Format))
@given(rows=ROWS)
@settings(max_examples=40, deadline=None)
def test_every_format_is_read_back_without_loss(format, rows):
    wanted = [row for row in rows if row.rejected_answer] if format == "preferences" else rows
    assume(wanted)
    with tempfile.TemporaryDirectory() as scratch:
        files = write({"train": rows, "heldout": rows[:1]}, Path(scratch), format)
        back = [found.row for found in read(files[0]) if isinstance(found, Entry)]
        assert not list(Path(scratch).glob(".*"))
    assert back == wanted


def test_an_empty_split_is_an_empty_file(tmp_path):
    for path in write({"heldout": []}, tmp_path, Format.MESSAGES):
        assert path.read_text() == ""


def a_row(**changes):
    values = {"pair_id": 7, "question": "Q?", "answer": "A.", "conversation": "C1/1"}
    return Row(**{**values, "source": "", "scope": "public", "answer_ts": "1", **changes})


def test_what_was_decided_in_argilla_counts(tmp_path):
    path, _ = write({"train": [a_row(), a_row(pair_id=8)]}, tmp_path, Format.ARGILLA)
    records = json.loads(path.read_text())
    records[0]["responses"] = {"verdict": [{"value": "reject", "user_id": "u"}]}
    records[1]["responses"] = {"corrected_answer": [{"value": "Better.", "user_id": "u"}]}
    path.write_text(json.dumps(records))
    rejected, corrected = read(path)
    assert "rejected in Argilla" in rejected.reason
    assert corrected.row == replace(a_row(pair_id=8), answer="Better.")


def test_what_was_annotated_in_label_studio_counts(tmp_path):
    path, config = write({"train": [a_row(), a_row(pair_id=8)]}, tmp_path, Format.LABEL_STUDIO)
    assert "<Choices" in config.read_text()
    tasks = json.loads(path.read_text())
    tasks[0]["annotations"] = [
        {"result": [{"from_name": "verdict", "value": {"choices": ["reject"]}}]}
    ]
    tasks[1]["annotations"] = [
        {"result": [{"from_name": "corrected_answer", "value": {"text": ["Better."]}}]}
    ]
    path.write_text(json.dumps(tasks))
    rejected, corrected = read(path)
    assert "rejected in Label Studio" in rejected.reason
    assert corrected.row.answer == "Better."
