"""A collection in BEIR's layout is read to the letter, and a bad one is refused by file and line."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorekeeper.errors import BadInput, NotFound
from retrieval import beir
from retrieval.beir import Collection

CORPUS = ['{"_id": "d1", "title": "Disk", "text": "is full"}', '{"_id": "d2", "text": "empty"}']
QUERIES = ['{"_id": "q1", "text": "which is full?"}', '{"_id": "q2", "text": "never judged"}']
QRELS = ["query-id\tcorpus-id\tscore", "q1\td1\t2", "q1\td2\t0"]


def write(
    folder: Path,
    *,
    corpus: list[str] = CORPUS,
    queries: list[str] = QUERIES,
    qrels: list[str] = QRELS,
    split: str = "test",
) -> Path:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, lines in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "qrels" / f"{split}.tsv").write_text("\n".join(qrels) + "\n", encoding="utf-8")
    return folder


def test_titles_grades_and_answered_questions_are_read(tmp_path: Path) -> None:
    found = beir.read(write(tmp_path / "disks"))
    assert found.name == "disks"
    assert found.texts == {"d1": "Disk is full", "d2": "empty"}
    assert found.questions == {"q1": "which is full?"}
    assert found.judged == {"q1": {"d1": 2, "d2": 0}}


def test_a_file_without_headings_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    folder = write(tmp_path, corpus=["\ufeff" + CORPUS[0], CORPUS[1]], qrels=QRELS[1:])
    assert beir.read(folder).judged == {"q1": {"d1": 2, "d2": 0}}


def test_the_only_split_is_taken_and_of_several_the_named_one(tmp_path: Path) -> None:
    folder = write(tmp_path, split="dev")
    assert beir.read(folder).judged
    write(folder, split="train", qrels=[QRELS[0], "q2\td2\t1"])
    assert beir.read(folder, "train").questions == {"q2": "never judged"}
    with pytest.raises(NotFound, match="no split 'test'; it has dev, train"):
        beir.read(folder)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"corpus": ["{"]}, "corpus.jsonl, line 1: it is not JSON"),
        ({"corpus": [CORPUS[0], "", "[1]"]}, 'corpus.jsonl, line 3: it is no object with a "text"'),
        (
            {"corpus": [CORPUS[0], CORPUS[0]]},
            "corpus.jsonl, line 2: its \"_id\" 'd1' is given twice",
        ),
        ({"queries": ['{"text": "x"}']}, "queries.jsonl, line 1: its \"_id\" '' is missing"),
        ({"qrels": [QRELS[0], "q1 d1 1"]}, "test.tsv, line 2: it has 1 cells"),
        ({"qrels": [QRELS[0], "q1\td1\tyes"]}, "test.tsv, line 2: the score 'yes' is not a whole"),
        ({"qrels": [QRELS[0], "q9\td1\t1"]}, "line 2: the query 'q9' is in no queries.jsonl"),
        ({"qrels": [QRELS[0], "q1\td9\t1"]}, "line 2: the text 'd9' is in no corpus.jsonl"),
        ({"qrels": [QRELS[0], "q1\td1\t0"]}, "names no text that answers a question"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, bad: dict[str, list[str]], told: str) -> None:
    with pytest.raises(BadInput) as refused:
        beir.read(write(tmp_path, **bad))  # type: ignore[arg-type]
    assert told in refused.value.what


def test_what_is_not_utf8_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "queries.jsonl").write_bytes(QUERIES[0].encode() + b"\n\xff\n")
    with pytest.raises(BadInput, match=r"queries\.jsonl, line 2: it is not UTF-8"):
        beir.read(folder)


@pytest.mark.parametrize("missing", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    folder = write(tmp_path)
    (folder / missing).unlink()
    with pytest.raises(NotFound):
        beir.read(folder)


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(bool)


@given(st.dictionaries(st.sampled_from("abc"), TEXTS, min_size=1), TEXTS, st.integers(1, 3))
def test_what_is_written_is_read_again(texts: dict[str, str], question: str, grade: int) -> None:
    judged = {"q": {next(iter(texts)): grade}}
    given_ = Collection(name="c", texts=texts, questions={"q": question}, judged=judged)
    with TemporaryDirectory() as folder:
        beir.write(given_, Path(folder) / "c")
        assert beir.read(Path(folder) / "c") == given_
