"""Thumbs and corrections in; Feedback and new candidates out."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from lorekeeper.domain import PUBLIC, Origin
from lorekeeper.store import feedback, reading
from lorekeeper.tables import answers


@pytest.fixture
def answer(team):
    question = team.member("ada").post("help", f"<@{team.bot}> how long is this?")
    return team.member("ada").wait_for_message(
        "help", lambda m: "answer_thumb" in m.actions, thread_ts=question.ts
    )


def thumbs(team):
    with reading(team.engine) as db:
        return feedback.counts(db)


def test_a_thumb_up_is_counted_once_for_each_person(team, answer):
    ada, grace = team.member("ada"), team.member("grace")
    ada.press(answer, "answer_thumb", "positive")
    ada.press(answer, "answer_thumb", "positive")
    grace.press(answer, "answer_thumb", "positive")
    team.until(lambda: thumbs(team) == (2, 0), "two thumbs")


def test_a_thumb_down_counts_and_asks_what_was_wrong(team, answer):
    ada = team.member("ada")
    ada.press(answer, "answer_thumb", "negative")
    modal = ada.wait_for_modal()
    assert "how long is this?" in str(modal)
    team.until(lambda: thumbs(team) == (0, 1))


def test_a_better_answer_becomes_a_candidate_that_names_what_it_replaces(team, answer):
    ada, rita = team.member("ada"), team.member("rita")
    ada.press(answer, "answer_thumb", "negative")
    errors = ada.fill_and_submit(
        ada.wait_for_modal(),
        {"reason": "wrong", "answer": "Seventeen; ask bob@example.com for the list."},
    )
    assert errors == {}
    pair = team.wait_for_pair()
    assert pair.origin is Origin.CORRECTION
    assert pair.answer == "Seventeen; ask [email 1] for the list."
    assert pair.rejected_answer == "It is 17 letters long [1]."
    assert pair.scope == PUBLIC
    card = rita.wait_for_message("review", lambda m: "Instead of" in m.said)
    assert "Seventeen" in card.said
    ada.wait_for_message("help", lambda m: m.is_ephemeral and "Saved for review" in m.said)


def test_only_a_reason_makes_no_candidate(team, answer):
    ada = team.member("ada")
    ada.press(answer, "answer_thumb", "negative")
    ada.fill_and_submit(ada.wait_for_modal(), {"reason": "too long"})
    ada.wait_for_message("help", lambda m: m.is_ephemeral and "That was noted" in m.said)
    assert team.pairs() == []


def test_a_second_correction_of_one_answer_is_told_who_was_first(team, answer):
    ada, grace = team.member("ada"), team.member("grace")
    for person in (ada, grace):
        person.press(answer, "answer_thumb", "negative")
        person.fill_and_submit(person.wait_for_modal(), {"answer": f"Seventeen, says {person.id}."})
        team.wait_for_pair()
    grace.wait_for_message("help", lambda m: m.is_ephemeral and "already saved" in m.said)
    assert len(team.pairs()) == 1


def test_a_thumb_that_is_quicker_than_the_note_where_the_answer_stands_finds_its_message(
    team, answer
):
    ada, grace = team.member("ada"), team.member("grace")
    with team.engine.begin() as db:
        db.execute(update(answers).values(message_ts=None))
    for person in (ada, grace):
        person.press(answer, "answer_thumb", "negative")
        person.fill_and_submit(person.wait_for_modal(), {"answer": f"Seventeen, says {person.id}."})
        team.wait_for_pair()
    grace.wait_for_message("help", lambda m: m.is_ephemeral and "already saved" in m.said)
    (pair,) = team.pairs()
    assert (pair.answer_ts, pair.scope) == (answer.ts, PUBLIC)


def test_a_correction_in_a_direct_message_that_quoted_only_public_sources_can_be_reviewed(team):
    ada = team.member("ada")
    channel = ada.open_dm()
    question = ada.post(channel, "how long is this?")
    answer = ada.wait_for_message(
        channel, lambda m: "answer_thumb" in m.actions, thread_ts=question.ts
    )
    ada.press(answer, "answer_thumb", "negative")
    ada.fill_and_submit(ada.wait_for_modal(), {"answer": "Seventeen."})
    assert team.wait_for_pair().scope == PUBLIC
