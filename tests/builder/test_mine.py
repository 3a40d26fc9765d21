"""Stored messages in; candidates that are stored once, out."""

from __future__ import annotations

from builder.mine import mine
from lorekeeper.domain import Channel, Message, PairState
from lorekeeper.store import messages, pairs, people, reading

CHANNEL = Channel(id="C1", name="help")


def say(engine, *talk):
    with engine.begin() as db:
        messages.put_channel(db, CHANNEL)
        for at, author, text, root in talk:
            ts = f"{1_700_000_000 + at}.000100"
            thread = f"{1_700_000_000 + root}.000100" if root is not None else None
            messages.put(
                db, Message(channel="C1", ts=ts, author=author, text=text, thread_ts=thread)
            )


def found(engine):
    with reading(engine) as db:
        return pairs.in_state(db, PairState.CANDIDATE)


def test_a_root_that_slack_did_not_mark_yet_is_read_with_its_replies(engine):
    say(
        engine,
        (0, "UADA", "How do I restart it?", None),
        (9, "UGRACE", "Run restart and wait a minute.", 0),
        (20, "USAM", "It is Friday, isn't it?", None),
    )
    assert mine(engine, CHANNEL, by="me") == 1
    (pair,) = found(engine)
    assert (pair.question, pair.answer) == (
        "How do I restart it?",
        "Run restart and wait a minute.",
    )
    assert pair.conversation == "C1/1700000000.000100"


def test_people_are_placeholders_and_doubt_is_left_out(engine):
    say(
        engine,
        (0, "UADA", "How do I restart it, <@UGRACE>?", None),
        (9, "UGRACE", "<@UADA> run restart, then tell <@USAM>.", None),
        (5000, "UADA", "Why is it slow?", None),
        (6700, "USAM", "Lunch.", None),
    )
    assert mine(engine, CHANNEL, by="me") == 1
    (pair,) = found(engine)
    assert "<@" not in pair.question + pair.answer
    assert pair.redactions == ("person", "person", "person")
    assert set(pair.question_parts + pair.answer_parts) == {
        "1700000000.000100",
        "1700000009.000100",
    }


def test_who_opted_out_is_not_mined_from_what_was_stored_before(engine):
    say(engine, (0, "UADA", "How do I restart it?", None), (9, "UGRACE", "<@UADA> run it.", None))
    with engine.begin() as db:
        people.opt_out(db, "UGRACE")
    assert mine(engine, CHANNEL, by="me") == 0


def test_what_is_edited_later_finds_its_mined_pair(engine):
    say(
        engine,
        (0, "UADA", "How do I restart it?", None),
        (9, "UGRACE", "<@UADA> run restart.", None),
    )
    mine(engine, CHANNEL, by="me")
    with reading(engine) as db:
        assert len(pairs.about(db, channel="C1", ts="1700000009.000100")) == 1
