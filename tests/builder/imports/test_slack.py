"""Slack exports in; messages stored once, redacted, under the right scope, and candidates mined from them, out."""

from __future__ import annotations

import json
import zipfile

import pytest

from builder.imports.slack import import_export
from lorekeeper.domain import PUBLIC, Origin, PairState
from lorekeeper.errors import BadInput
from lorekeeper.store import messages, pairs, people, reading

ASKED, TOLD = "1700000000.000100", "1700086500.000200"  # on two days


def message(ts, user, text, **more):
    return {"type": "message", "ts": ts, "user": user, "text": text, **more}


THREAD = {
    "help/2023-11-14.json": [
        message(ASKED, "U1", "How do I restart the gateway?", thread_ts=ASKED, reply_count=1),
        message("1700000100.000100", "U3", "", subtype="channel_join"),
        message("1700000200.000100", "", "Deployed.", bot_id="B1"),
        message("1700000300.000100", "U3", "", files=[{"id": "F1"}]),
    ],
    "help/2023-11-15.json": [
        message(TOLD, "U2", "Run `restart` and mail ops@example.com.", thread_ts=ASKED),
        message("1700086600.000100", "U1", "Thanks, that worked!", thread_ts=ASKED),
    ],
    "board/2023-11-14.json": [
        message("1700000400.000100", "U1", "What is the budget?"),
        message("1700000430.000100", "U2", "<@U1> forty-two thousand until May."),
    ],
    "D1/2023-11-14.json": [message("1700000500.000100", "U1", "Just between us.")],
}


def pack(tmp_path, days, name="export.zip"):
    path = tmp_path / name
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("channels.json", json.dumps([{"id": "C1", "name": "help"}]))
        packed.writestr("groups.json", json.dumps([{"id": "G1", "name": "board"}]))
        packed.writestr("dms.json", json.dumps([{"id": "D1", "members": ["U1", "U2"]}]))
        packed.writestr("users.json", json.dumps([{"id": f"U{n}"} for n in range(4)]))
        for day, said in days.items():
            packed.writestr(day, json.dumps(said))
    return path


def stored(engine, channel):
    with reading(engine) as db:
        return [m for m in messages.every(db) if m.channel == channel]


def candidates(engine, state=PairState.CANDIDATE):
    with reading(engine) as db:
        return pairs.in_state(db, state)


def test_a_thread_is_joined_over_its_days_and_mined(engine, tmp_path):
    report = import_export(engine, pack(tmp_path, THREAD), by="me")
    found = next(pair for pair in candidates(engine) if pair.channel == "C1")
    assert found.question == "How do I restart the gateway?"
    assert found.answer == "Run `restart` and mail [email 1]."
    assert (found.origin, found.scope, found.answer_ts) == (Origin.MINED, PUBLIC, TOLD)
    assert found.confidence == 0.95
    assert report.found == 2


def test_private_channels_keep_their_scope_and_direct_messages_stay_out(engine, tmp_path):
    report = import_export(engine, pack(tmp_path, THREAD), by="me")
    (private,) = (pair for pair in candidates(engine) if pair.channel == "G1")
    assert private.scope == "G1"
    assert stored(engine, "D1") == []
    assert any("direct" in why for why in report.left_out)
    import_export(engine, pack(tmp_path, THREAD), by="me", direct=True)
    assert len(stored(engine, "D1")) == 1
    with reading(engine) as db:
        assert messages.channel(db, "D1").scope == "D1"


def test_apps_reports_and_files_alone_are_left_out_and_counted(engine, tmp_path):
    report = import_export(engine, pack(tmp_path, THREAD), by="me")
    assert len(stored(engine, "C1")) == 3
    assert report.left_out["messages of apps"] == 1
    assert report.left_out["messages without text, such as files alone"] == 1
    assert report.left_out["Slack's own reports (channel_join)"] == 1


def test_twice_adds_nothing_and_brings_nothing_rejected_back(engine, tmp_path):
    path = pack(tmp_path, THREAD)
    import_export(engine, path, by="me")
    with engine.begin() as db:
        pairs.move(db, candidates(engine)[0], PairState.REJECTED, by="U9")
    again = import_export(engine, path, by="me")
    assert (again.stored, again.found) == (0, 0)
    assert len(candidates(engine)) == 1


def test_an_edit_that_a_later_export_knows_replaces_the_message(engine, tmp_path):
    import_export(engine, pack(tmp_path, THREAD), by="me")
    edited = message(
        TOLD, "U2", "Run `restart --all`.", thread_ts=ASKED, edited={"ts": "1700090000.0"}
    )
    later = {**THREAD, "help/2023-11-15.json": [edited]}
    assert import_export(engine, pack(tmp_path, later, "later.zip"), by="me").stored == 1
    assert "restart --all" in {m.text for m in stored(engine, "C1")}.__repr__()
    assert import_export(engine, pack(tmp_path, THREAD), by="me").stored == 0


def test_a_tombstone_takes_the_stored_message_and_its_pair_along(engine, tmp_path):
    import_export(engine, pack(tmp_path, THREAD), by="me")
    gone = message(
        ASKED, "USLACKBOT", "This message was deleted.", subtype="tombstone", hidden=True
    )
    later = {**THREAD, "help/2023-11-14.json": [gone]}
    report = import_export(engine, pack(tmp_path, later, "later.zip"), by="me")
    assert report.deleted == 1
    (retired,) = candidates(engine, PairState.RETIRED)
    assert (retired.question, retired.answer) == ("", "")


def test_an_older_export_does_not_bring_back_what_was_forgotten(engine, tmp_path):
    path = pack(tmp_path, THREAD)
    import_export(engine, path, by="me")
    with engine.begin() as db:
        messages.forget(db, "C1", TOLD)
    assert import_export(engine, path, by="me").stored == 0
    assert TOLD not in {m.ts for m in stored(engine, "C1")}


def test_who_opted_out_is_not_imported(engine, tmp_path):
    with engine.begin() as db:
        people.opt_out(db, "U2")
    report = import_export(engine, pack(tmp_path, THREAD), by="me")
    assert report.left_out["messages of people who opted out"] == 2
    assert candidates(engine) == []


def test_a_day_that_cannot_be_read_is_named_and_the_rest_is_taken(engine, tmp_path):
    path = pack(tmp_path, THREAD)
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("help/2023-11-16.json", "[{")
    report = import_export(engine, path, by="me")
    assert any("2023-11-16" in problem for problem in report.problems)
    assert len(stored(engine, "C1")) == 3


@pytest.mark.parametrize("evil", ["../channels.json", "/etc/channels.json"])
def test_a_zip_that_leads_out_of_itself_is_refused_with_nothing_stored(engine, tmp_path, evil):
    path = pack(tmp_path, THREAD)
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr(evil, "[]")
    with pytest.raises(BadInput, match="leads out"):
        import_export(engine, path, by="me")
    with reading(engine) as db:
        assert messages.count(db) == 0


def test_a_truncated_or_exploding_zip_is_refused_with_nothing_stored(engine, tmp_path):
    whole = pack(tmp_path, THREAD).read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole[: len(whole) // 2])
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("channels.json", b" " * 50_000_000)
    for path in (cut, bomb):
        with pytest.raises(BadInput):
            import_export(engine, path, by="me")
    with reading(engine) as db:
        assert messages.count(db) == 0


def test_links_begin_with_the_workspace_where_it_is_named(engine, tmp_path):
    import_export(engine, pack(tmp_path, THREAD), by="me", workspace="https://team.slack.com")
    assert candidates(engine)[0].source.startswith("https://team.slack.com/archives/")
