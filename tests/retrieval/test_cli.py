"""`lore search` and `lore index` show what is found, and say what to do where nothing can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from lorekeeper.cli import main
from lorekeeper.domain import Channel, Message
from lorekeeper.store import messages, open_database
from retrieval import embed
from retrieval.embed import HashingEmbedder


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LORE_STORE__DATA", str(data))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(embed, "load", lambda spec, folder, **options: HashingEmbedder())


def say(data: Path, text: str, *, private: bool = False) -> None:
    engine = open_database(f"sqlite:///{data / 'lorekeeper.sqlite'}")
    with engine.begin() as db:
        messages.put_channel(db, Channel(id="C1", name="ops", is_private=private))
        messages.put(db, Message(channel="C1", ts="100.0", author="U1", text=text))
    engine.dispose()


def lore(*words: str) -> int:
    try:
        main(words)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_what_was_built_can_be_searched(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(data, "backups run at night [bold]")
    assert lore("index", "build") == 0
    assert "1 passages, 1 of them new" in capsys.readouterr().out
    assert lore("search", "backups", "--explain") == 0
    shown = capsys.readouterr().out
    assert "backups run at night [bold]" in shown
    assert "by meaning" in shown


def test_a_private_passage_needs_its_scope(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(data, "backups run at night", private=True)
    lore("index", "build")
    capsys.readouterr()
    lore("search", "backups")
    assert "Nothing was found" in capsys.readouterr().out
    lore("search", "backups", "--scope", "C1")
    assert "at night" in capsys.readouterr().out


def test_the_status_says_whether_the_index_is_whole(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lore("index", "status") == 1
    assert "lore index build" in capsys.readouterr().err
    say(data, "backups run at night")
    lore("index", "build")
    assert lore("index", "status") == 0
    assert "whole" in capsys.readouterr().out
    next((data / "segments").glob("*/passages.jsonl")).write_text("")
    lore("index", "status")
    assert "/passages.jsonl" in capsys.readouterr().out


def test_files_that_were_left_out_are_named(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = data / "pages"
    pages.mkdir()
    (pages / "noise.md").write_bytes(b"\0")
    monkeypatch.setenv("LORE_RETRIEVAL__DOCUMENTS", f'["{pages}"]')
    assert lore("index", "build") == 0
    assert "noise.md: it is binary" in capsys.readouterr().out


def test_the_choice_of_the_vector_index_is_explained(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lore("index", "explain") == 1
    assert "lore index build" in capsys.readouterr().err
    say(data, "backups run at night")
    lore("index", "build")
    capsys.readouterr()
    assert lore("index", "explain") == 0
    shown = capsys.readouterr().out
    assert "flat" in shown
    assert "all are compared" in shown
    assert "1.000 (100%)" in shown
