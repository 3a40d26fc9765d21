"""`lore import` typed in; what became of each file, in words, out."""

from __future__ import annotations

import json

import pytest

from lorekeeper import store
from lorekeeper.cli import main
from lorekeeper.domain import PUBLIC, Origin, PairState
from lorekeeper.store import pairs, reading


@pytest.fixture
def typed(data, monkeypatch, capsys):
    monkeypatch.setenv("LORE_STORE__DATA", str(data))

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(["import", *map(str, words)])
        assert not ended.value.code, capsys.readouterr().err
        return " ".join(capsys.readouterr().out.split())

    return run


def stored(data):
    engine = store.connect(f"sqlite:///{data / 'lorekeeper.sqlite'}")
    with reading(engine) as db:
        return pairs.in_state(db, PairState.CANDIDATE)


def test_a_table_becomes_candidates_redacted_and_twice_adds_nothing(typed, data, tmp_path):
    path = tmp_path / "faq.csv"
    path.write_text("problem;fix;area\nWho helps?;Mail ops@example.com;people, ops\nAlone?;;\n")
    said = typed(path, "--question", "problem", "--answer", "fix", "--tags", "area")
    assert "1 pairs, 1 new candidates" in said
    assert "line 3: the answer is empty" in said
    (pair,) = stored(data)
    assert pair.answer == "Mail [email 1]"
    assert (pair.origin, pair.scope, pair.tags) == (Origin.IMPORT, PUBLIC, ("people", "ops"))
    assert "0 new candidates, 1 known already" in typed(
        path, "--question", "problem", "--answer", "fix"
    )


def test_a_private_scope_is_kept_and_provenance_comes_back(typed, data, tmp_path):
    path = tmp_path / "x.jsonl"
    record = {"question": "Q?", "answer": "A.", "channel": "C9", "answer_ts": "1.2", "scope": "G1"}
    path.write_text(f"{json.dumps(record)}\n" + json.dumps({"question": "R?", "answer": "B."}))
    typed(path, "--scope", "G7")
    first, second = stored(data)
    assert (first.channel, first.answer_ts, first.scope) == ("C9", "1.2", "G1")
    assert second.scope == "G7"


def test_nothing_is_imported_when_one_of_the_files_is_missing(typed, data, tmp_path):
    good = tmp_path / "x.jsonl"
    good.write_text(json.dumps({"question": "Q?", "answer": "A."}))
    with pytest.raises(AssertionError, match="nothing was imported"):
        typed(good, tmp_path / "none.csv")


def test_many_problems_are_cut_unless_all_are_wanted(typed, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(["{"] * 30))
    assert "and 10 more" in typed(path)
    assert "line 30" in typed(path, "--problems")
