"""Files of every kind in, good and bad; what can be used, and why the rest cannot, line by line, out."""

from __future__ import annotations

import json
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.imports.entries import LONGEST, Columns, Entry, Problem, clean
from builder.imports.files import read
from builder.imports.shapes import entries
from lorekeeper.errors import BadInput


def told(found):
    """Each result as (line, question, answer) or (line, reason)."""
    return [
        (one.line, one.row.question, one.row.answer)
        if isinstance(one, Entry)
        else (one.line, one.reason)
        for one in found
    ]


def put(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


SHAPES = {
    "messages": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Q?"},
            {"role": "assistant", "content": "A."},
        ]
    },
    "sharegpt": {
        "conversations": [{"from": "human", "value": "Q?"}, {"from": "gpt", "value": "A."}]
    },
    "alpaca": {"instruction": "Q?", "input": "", "output": "A."},
    "completion": {"prompt": "Q?", "completion": "A."},
    "chat completion": {
        "prompt": [{"role": "user", "content": "Q?"}],
        "completion": [{"role": "assistant", "content": "A."}],
    },
    "preference": {"prompt": "Q?", "chosen": "A.", "rejected": "B."},
    "chat preference": {
        "chosen": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}],
        "rejected": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "B."}],
    },
    "plain": {"question": "Q?", "answer": "A.", "tags": ["a", "b"]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_record_is_known(shape):
    (found,) = entries(1, SHAPES[shape])
    assert (found.row.question, found.row.answer) == ("Q?", "A.")
    if "preference" in shape:
        assert found.row.rejected_answer == "B."


def test_alpacas_input_belongs_to_the_question():
    (found,) = entries(1, {"instruction": "Sum up.", "input": "The text.", "output": "Short."})
    assert found.row.question == "Sum up.\n\nThe text."


def test_each_exchange_of_a_long_conversation_is_a_pair():
    turns = [("user", "1?"), ("assistant", "1."), ("user", "2?"), ("assistant", "2.")]
    record = {"messages": [{"role": role, "content": text} for role, text in turns]}
    assert [found.row.answer for found in entries(1, record)] == ["1.", "2."]


def test_bad_lines_are_named_and_the_rest_is_taken(tmp_path):
    good = json.dumps(SHAPES["plain"])
    lines = [good, "{", "", "[1]", '{"a": 1}', json.dumps({"question": "Q?", "answer": ""}), good]
    found = told(read(put(tmp_path, "x.jsonl", "\n".join(lines))))
    assert found[0] == (1, "Q?", "A.")
    assert found[-1] == (7, "Q?", "A.")
    assert [line for line, *_ in found] == [1, 2, 4, 5, 6, 7]
    assert "keys are a" in found[3][1]
    assert "answer is empty" in found[4][1]


def test_a_json_array_and_json_lines_under_a_json_name_are_both_read(tmp_path):
    record = SHAPES["plain"]
    assert len(list(read(put(tmp_path, "a.json", json.dumps([record, record]))))) == 2
    assert len(list(read(put(tmp_path, "b.json", json.dumps({"rows": [record]}))))) == 1
    lines = f"{json.dumps(record)}\n{json.dumps(record)}\n"
    assert len(list(read(put(tmp_path, "c.json", lines)))) == 2


def test_hostile_json_is_a_problem_and_no_crash(tmp_path):
    deep = "[" * 100_000
    huge = '{"question": "Q?", "answer": "A.", "pair_id": ' + "9" * 5000 + "}"
    found = told(read(put(tmp_path, "x.jsonl", f'{deep}\n{huge}\n"\\ud800"\n')))
    assert all(isinstance(one[1], str) for one in found)
    with pytest.raises(BadInput):
        list(read(put(tmp_path, "x.json", deep)))


def test_a_csv_is_read_whatever_its_delimiter_bom_and_quotes(tmp_path):
    text = '\ufeffFrage;Antwort;Tags\r\n"Wie; so?";"So.\nUnd so.";"a, b"\r\nleer;;\r\n'
    found = list(read(put(tmp_path, "x.csv", text)))
    assert told(found) == [(3, "Wie; so?", "So.\nUnd so."), (4, "the answer is empty")]
    assert found[0].row.tags == ("a", "b")
    assert told(read(put(tmp_path, "x.tsv", "q\ta\nQ?\tA.\n"))) == [(2, "Q?", "A.")]


def test_columns_are_named_by_a_person_or_refused_with_those_that_are_there(tmp_path):
    path = put(tmp_path, "x.csv", "problem,fix\nIt hangs,Restart it\n")
    with pytest.raises(BadInput, match="it has problem, fix"):
        list(read(path))
    found = read(path, Columns(question="Problem", answer="FIX"))
    assert told(found) == [(2, "It hangs", "Restart it")]
    with pytest.raises(BadInput, match="no column 'why'"):
        list(read(path, Columns(question="why", answer="fix")))


def test_what_is_not_text_is_refused(tmp_path):
    for content in (b"q,a\n\0\0", b"q,a\n\xff\xfe\n"):
        with pytest.raises(BadInput):
            list(read(put(tmp_path, "x.csv", content)))
        with pytest.raises(BadInput):
            list(read(put(tmp_path, "x.md", content)))


def test_a_sheet_is_read_and_a_damaged_or_exploding_one_refused(tmp_path):
    from openpyxl import Workbook

    book = Workbook()
    for row in (("Question", "Answer"), ("Q?", "A."), (None, None), ("Only asked?", None), (1, 2)):
        book.active.append(row)
    path = tmp_path / "x.xlsx"
    book.save(path)
    assert told(read(path)) == [(2, "Q?", "A."), (4, "the answer is empty"), (5, "1", "2")]
    cut = put(tmp_path, "cut.xlsx", path.read_bytes()[:500])
    with pytest.raises(BadInput, match="cannot be opened"):
        list(read(cut))
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/workbook.xml", b"0" * 50_000_000)
    with pytest.raises(BadInput, match="would unpack"):
        list(read(bomb))


def test_damaged_parquet_is_refused(tmp_path):
    with pytest.raises(BadInput, match="Parquet"):
        list(read(put(tmp_path, "x.parquet", b"PAR1 nothing")))


FAQ = """# Help

Welcome.

## How do I log in?

Open the page.

### On a phone

Use the app.

## Opening hours

Nine to five.

## Is it free?

Q: Who pays?
A: Nobody
does.

**What about tax?**

None.

## Empty?
"""


def test_a_faq_page_gives_its_questions_with_everything_below_them(tmp_path):
    found = told(read(put(tmp_path, "x.md", FAQ)))
    assert found[0] == (5, "How do I log in?", "Open the page.\n\n### On a phone\n\nUse the app.")
    assert (17, "the answer is empty") in found
    assert (19, "Who pays?", "Nobody\ndoes.") in found
    assert (23, "What about tax?", "None.") in found
    assert found[-1] == (27, "the answer is empty")
    assert not any("Opening" in str(one) for one in found)


def test_an_html_page_is_read_with_its_terms_and_details(tmp_path):
    page = (
        "<html><h2>How do I log in?</h2><p>Open the <b>page</b>.</p>"
        "<dl><dt>Who pays</dt><dd>Nobody.</dd></dl>"
        "<details><summary>Is it free?</summary><p>Yes.</p></details><script>no()</script></html>"
    )
    found = {one.row.question: one.row.answer for one in read(put(tmp_path, "x.html", page))}
    assert found["Who pays?"] == "Nobody."
    assert found["Is it free?"] == "Yes."
    assert found["How do I log in?"] == "Open the **page**."


def test_a_page_without_questions_says_so(tmp_path):
    assert told(read(put(tmp_path, "x.md", "# Title\n\nText.\n"))) == [
        (1, "nothing on the page reads as a question")
    ]


@pytest.mark.parametrize("name", ["x.pdf", "x", "x.exe"])
def test_unknown_kinds_are_refused_with_the_known_ones(tmp_path, name):
    with pytest.raises(BadInput, match="no kind that can be imported"):
        list(read(put(tmp_path, name, "x")))


def test_what_is_missing_or_empty_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no file"):
        read(tmp_path / "none.csv")
    with pytest.raises(BadInput, match="is empty"):
        read(put(tmp_path, "x.csv", ""))


def test_a_text_longer_than_slacks_longest_message_is_a_problem():
    (found,) = entries(1, {"question": "Q?", "answer": "x" * (LONGEST + 1)})
    assert isinstance(found, Problem)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [
        "messages",
        "conversations",
        "instruction",
        "output",
        "prompt",
        "completion",
        "chosen",
        "rejected",
        "question",
        "answer",
        "fields",
        "data",
        "tags",
        "lorekeeper",
        "annotations",
    ]
)


@given(st.dictionaries(NAMES, JSON, max_size=6) | JSON)
@settings(max_examples=300, deadline=None)
def test_any_record_is_an_entry_or_a_problem(record):
    found = list(entries(1, record))
    assert found
    for one in found:
        assert isinstance(one, Entry | Problem)
        if isinstance(one, Entry):
            assert clean(one.row.question) == one.row.question != ""


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
@settings(deadline=None)
def test_any_markdown_is_read(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("faq") / "x.md"
    path.write_text(text, encoding="utf-8")
    for one in read(path):
        assert one.line >= 1
