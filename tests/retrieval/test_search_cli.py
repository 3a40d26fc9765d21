"""`lore search` shows what somebody finds, and to whom runs the machine why not more."""

from __future__ import annotations

from pathlib import Path

import pytest

from lorekeeper import doors
from lorekeeper.domain import PUBLIC
from retrieval import embed, search_cli
from retrieval.embed import HashingEmbedder
from tests.retrieval.test_cli import lore, say


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LORE_STORE__DATA", str(data))
    monkeypatch.setenv("COLUMNS", "220")
    monkeypatch.setattr(embed, "load", lambda *model, **ways: HashingEmbedder())


def test_every_stage_is_shown(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(data, "backups run at night [bold]")
    lore("index", "build")
    capsys.readouterr()
    assert lore("search", "backups", "--explain") == 0
    shown = capsys.readouterr().out
    assert "backups run at night [bold]" in shown
    for told in ("by meaning", "number 1", "cosine", "BM25", "covers", "fused", "evidence"):
        assert told in shown


def test_what_may_not_be_seen_is_told_to_who_asks_for_the_reasons_and_not_otherwise(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(data, "backups run at night", private=True)
    lore("index", "build")
    capsys.readouterr()
    lore("search", "backups")
    assert "night" not in capsys.readouterr().out
    lore("search", "backups", "--explain")
    shown = capsys.readouterr().out
    assert "Nothing was found" in shown
    assert "may not be seen: only by who sees C1" in shown


def test_a_user_is_asked_for_by_id_and_sees_what_slack_says(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(data, "backups run at night", private=True)
    lore("index", "build")
    scopes = {"U1": frozenset({PUBLIC, "C1"}), "U2": frozenset({PUBLIC})}
    monkeypatch.setattr(search_cli, "scopes_seen_by", lambda user, *_: scopes[user])
    capsys.readouterr()
    lore("search", "backups", "--as", "U1")
    assert "at night" in capsys.readouterr().out
    lore("search", "backups", "--as", "U2")
    assert "Nothing was found" in capsys.readouterr().out


def test_two_ways_to_say_who_asks_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert lore("search", "backups", "--as", "U1", "--scope", "C1") == 1
    assert "Give one of them" in capsys.readouterr().err


def test_without_a_token_the_error_says_what_to_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert doors.scopes_seen_by is search_cli.scopes_seen_by
    assert lore("search", "backups", "--as", "U1") == 1
    assert "LORE_SLACK__BOT_TOKEN" in capsys.readouterr().err


def test_kinds_are_chosen_and_counted_out(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(data, "backups run at night")
    lore("index", "build")
    capsys.readouterr()
    lore("search", "backups", "--kind", "document", "--explain")
    shown = capsys.readouterr().out
    assert "is a thread, which was not asked for" in shown
