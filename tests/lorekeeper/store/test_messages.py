"""Messages in the store: the newest words of each, threads from their root, and people who want out."""

from __future__ import annotations

from lorekeeper.domain import Message
from lorekeeper.store import imports, messages, people, reading


def said(ts, text="x", **more):
    return Message(
        channel=more.pop("channel", "C1"), ts=ts, author=more.pop("author", "U1"), text=text, **more
    )


def stored(engine, channel="C1"):
    with reading(engine) as db:
        return {m.ts: m.text for m in messages.every(db) if m.channel == channel}


def test_what_is_stored_stays_unless_an_edit_is_newer(engine):
    with engine.begin() as db:
        assert messages.add_new(db, [said("1.0", "first"), said("2.0", "second")]) == 2
        assert messages.add_new(db, [said("1.0", "older copy")]) == 0
        assert messages.add_new(db, [said("1.0", "edited", edited_ts="5.0")]) == 1
        assert messages.add_new(db, [said("1.0", "stale edit", edited_ts="4.0")]) == 0
    assert stored(engine) == {"1.0": "edited", "2.0": "second"}


def test_a_thread_comes_with_its_root_though_slack_did_not_mark_it(engine):
    with engine.begin() as db:
        messages.add_new(
            db, [said("1.0", "root"), said("2.0", "reply", thread_ts="1.0"), said("3.0", "alone")]
        )
        assert [[m.text for m in t] for t in messages.threads(db, "C1")] == [["root", "reply"]]
        assert [m.text for m in messages.flat(db, "C1")] == ["alone"]
        assert [m.text for m in messages.thread(db, "C1", "1.0")] == ["root", "reply"]


def test_everything_of_a_person_is_found(engine):
    with engine.begin() as db:
        messages.add_new(db, [said("1.0", author="U1"), said("2.0", author="U2")])
        messages.add_new(db, [said("9.0", author="U2", channel="C2")])
        assert set(messages.written_by(db, "U2")) == {("C1", "2.0"), ("C2", "9.0")}


def test_opting_out_is_remembered_until_it_is_taken_back(engine):
    with engine.begin() as db:
        assert people.opt_out(db, "U1")
        assert not people.opt_out(db, "U1")
        assert people.all_opted_out(db) == {"U1"}
        assert people.opt_in(db, "U1")
        assert not people.opt_in(db, "U1")
        assert not people.has_opted_out(db, "U1")


def test_an_import_that_was_ended_goes_no_further(engine):
    with engine.begin() as db:
        imports.begin(db, "C1", by="U1")
        assert imports.go_on(db, "C1", messages=3).messages == 3
        assert imports.end(db, "C1", imports.ImportState.CANCELLED).is_over
        assert imports.go_on(db, "C1", messages=9) is None
        assert imports.begin(db, "C1", by="U2").messages == 3
        imports.end(db, "C1", imports.ImportState.DONE)
        assert imports.begin(db, "C1", by="U2").messages == 0
