"""`lore dataset …` typed in; versions compared, described, measured and exported, out."""

from __future__ import annotations

import pytest
import tiny

from builder.freeze import freeze, preview
from builder.imports.files import read
from lorekeeper.cli import main
from lorekeeper.domain import PairState
from lorekeeper.store import pairs, reading


@pytest.fixture
def rules(data, base):
    return tiny.settings(data, base)


@pytest.fixture
def typed(data, monkeypatch, capsys):
    monkeypatch.setenv("LORE_STORE__DATA", str(data))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("lorekeeper.store.open_database", _open)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(["dataset", *map(str, words)])
        told = capsys.readouterr()
        assert not ended.value.code, told.err
        return " ".join(told.out.split())

    return run


def _open(url):
    from lorekeeper.store import connect

    return connect(url)


def test_what_changed_between_versions_is_listed(engine, rules, typed):
    made = tiny.approve(engine, 20)
    freeze(engine, rules, by="me")
    with engine.begin() as db:
        pairs.move(db, made[0], PairState.RETIRED, by="U1", reason="out of date")
        pairs.edit(db, made[1], by="U1", answer="Write timeout = 8.")
    tiny.approve(engine, 2, start=20)
    assert "2 new, 1 gone, 1 reworded" in typed("diff", "d1")
    freeze(engine, rules, by="me")
    told = typed("diff", "d1", "d2")
    assert "2 new, 1 gone, 1 reworded" in told
    assert f"- {made[0].id} {made[0].question}" in told


def test_the_preview_says_what_freezing_would_change(engine, rules):
    assert "None of the 0 approved pairs" in preview(engine, rules).refusal
    tiny.approve(engine, 20)
    before = preview(engine, rules)
    made = freeze(engine, rules, by="me")
    assert (before.train, before.heldout) == (made.train, made.heldout)
    assert len(before.since.added) == 20
    after = preview(engine, rules)
    assert not after.since
    assert after.latest == made


def test_private_pairs_are_counted_but_not_in_the_next_version(engine, rules):
    tiny.approve(engine, 20)
    tiny.approve(engine, 3, start=20, scope="G1")
    ahead = preview(engine, rules)
    assert ahead.private == 3
    assert ahead.train + ahead.heldout == 20


def test_the_card_names_what_was_withdrawn_since(engine, rules, typed):
    made = tiny.approve(engine, 20)
    freeze(engine, rules, by="me")
    assert "still approved" in typed("card")
    with engine.begin() as db:
        pairs.erase(db, made[3], by="slack", reason="the answer was deleted in Slack")
    told = typed("card", "d1")
    assert f"pair {made[3].id}: retired, the answer was deleted in Slack" in told
    assert "1 of its pairs are not approved any more" in told


def test_the_quality_of_a_version_is_told_and_drawn(engine, rules, typed, tmp_path):
    tiny.approve(engine, 20)
    freeze(engine, rules, by="me")
    told = typed("quality", "d1", "--picture", tmp_path / "q.png")
    assert "What to do" in told
    assert (tmp_path / "q.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("format", ["messages", "parquet", "argilla", "label-studio"])
def test_a_version_is_exported_and_read_back(engine, rules, typed, tmp_path, format):
    made = tiny.approve(engine, 20)
    version = freeze(engine, rules, by="me")
    told = typed("export", tmp_path, "--format", format)
    assert "train" in told
    files = [path for path in tmp_path.iterdir() if path.name.startswith(("train.", "heldout."))]
    back = {entry.row.pair_id for path in files for entry in read(path)}
    assert back == {pair.id for pair in made}
    assert version.train + version.heldout == len(back)


def test_an_unknown_version_is_refused(engine, typed):
    with pytest.raises(AssertionError, match="There is no dataset version 'd9'"):
        typed("card", "d9")
    with pytest.raises(AssertionError, match="No version was frozen yet"):
        typed("quality")


def test_a_correction_is_exported_as_a_preference(engine, rules, typed, tmp_path):
    from dataclasses import replace

    made = tiny.approve(engine, 20)
    with engine.begin() as db:
        corrected = replace(made[0], id=0, answer_ts="c", rejected_answer="Wrong.")
        pairs.move(
            db,
            pairs.add(db, replace(corrected, state=PairState.CANDIDATE)),
            PairState.APPROVED,
            by="U3",
        )
    freeze(engine, rules, by="me")
    typed("export", tmp_path, "--format", "preferences")
    rows = [e.row for path in tmp_path.glob("*.jsonl") if path.stat().st_size for e in read(path)]
    assert [row.rejected_answer for row in rows] == ["Wrong."]
    with reading(engine) as db:
        assert pairs.counts(db)[PairState.APPROVED] == 21


def test_judged_answers_are_written_for_preference_trainers(engine, typed, tmp_path):
    file = tmp_path / "thumbs.jsonl"
    assert "0 helpful and 0 unhelpful" in typed("thumbs", file)
    assert file.read_text() == ""
