"""Reactions, shortcuts and links in; saved pairs, and what their captors are told, out."""

from __future__ import annotations

from lorekeeper.domain import Origin, PairState
from lorekeeper.store import pairs, reading

QUESTION = "How do I rotate the signing keys?"
ANSWER = "Run `vault rotate signing` and mail ops@example.com when it is done."


def asked_and_answered(team):
    question = team.member("ada").post("help", QUESTION)
    return question, team.member("grace").reply(question, ANSWER)


def note(member, channel="help", text="Saved for review"):
    return member.wait_for_message(channel, lambda m: m.is_ephemeral and text in m.said)


def test_a_reaction_saves_the_thread_root_and_the_answer_redacted(team):
    _, answer = asked_and_answered(team)
    ada = team.member("ada")
    ada.react(answer, "bookmark")
    shown = note(ada)
    assert QUESTION in shown.said
    assert "[email 1]" in shown.said
    assert "ops@example.com" not in shown.said
    assert "1 × email" in shown.said
    pair = team.wait_for_pair()
    assert (pair.question, pair.origin) == (QUESTION, Origin.REACTION)
    assert pair.captured_by == ada.id
    assert pair.source == ada.permalink(answer)
    assert pair.redactions == ("email",)


def test_undo_takes_the_pair_back(team):
    _, answer = asked_and_answered(team)
    ada = team.member("ada")
    ada.react(answer, "bookmark")
    ada.press(note(ada), "pair_undo")
    note(ada, text="was taken back")
    assert team.pairs(PairState.CANDIDATE) == []
    assert len(team.pairs(PairState.RETIRED)) == 1


def test_the_captor_can_edit_what_was_saved(team):
    _, answer = asked_and_answered(team)
    ada = team.member("ada")
    ada.react(answer, "bookmark")
    ada.press(note(ada), "pair_edit")
    modal = ada.wait_for_modal()
    ada.fill_and_submit(modal, {"question": "How are signing keys rotated?"})
    team.until(lambda: team.pairs()[0].question == "How are signing keys rotated?")


def test_a_second_captor_is_told_that_it_is_saved_already(team):
    _, answer = asked_and_answered(team)
    team.member("ada").react(answer, "bookmark")
    team.wait_for_pair()
    sam = team.member("sam")
    sam.react(answer, "bookmark")
    note(sam, text="already saved as pair 1")
    assert len(team.pairs()) == 1


def test_removing_the_reaction_takes_the_pair_back(team):
    _, answer = asked_and_answered(team)
    ada = team.member("ada")
    ada.react(answer, "bookmark")
    team.wait_for_pair()
    ada.unreact(answer, "bookmark")
    assert team.wait_for_pair(PairState.RETIRED).question == QUESTION


def test_somebody_elses_reaction_removed_changes_nothing(team):
    _, answer = asked_and_answered(team)
    sam = team.member("sam")
    team.member("ada").react(answer, "bookmark")
    team.wait_for_pair()
    sam.react(answer, "bookmark")
    note(sam, text="already saved")
    sam.unreact(answer, "bookmark")
    _, other = asked_and_answered(team)
    sam.react(other, "bookmark")  # the same lane: worked on after the removal
    note(sam)
    assert len(team.pairs()) == 2


def test_where_no_question_is_found_the_captor_words_it(team):
    answer = team.member("grace").post("help", "Deploys are frozen on Fridays.")
    ada = team.member("ada")
    ada.react(answer, "bookmark")
    ada.press(note(ada, text="no question"), "pair_word")
    modal = ada.wait_for_modal(lambda view: view.get("callback_id") == "save_pair")
    ada.fill_and_submit(modal, {"question": "When may I deploy?"})
    pair = team.wait_for_pair()
    assert (pair.question, pair.answer) == ("When may I deploy?", "Deploys are frozen on Fridays.")


def test_the_bots_own_answer_is_not_saved(team):
    ada = team.member("ada")
    question = ada.post("help", f"<@{team.bot}> how long is this?")
    answer = ada.wait_for_answer(question)
    ada.react(answer, "bookmark")
    note(ada, text="my own answer")
    assert team.pairs() == []


def test_a_guest_may_not_save(team):
    _, answer = asked_and_answered(team)
    gus = team.member("gus")
    gus.react(answer, "bookmark")
    note(gus, text="guests")
    assert team.pairs() == []


def test_the_shortcut_shows_both_texts_before_it_saves(team):
    _, answer = asked_and_answered(team)
    ada = team.member("ada")
    ada.shortcut("save_answer", answer)
    modal = ada.wait_for_modal(lambda view: view.get("callback_id") == "save_pair")
    values = {block["block_id"]: block["element"].get("initial_value") for block in modal["blocks"]}
    assert values["question"] == QUESTION
    ada.fill_and_submit(modal, {"answer": "Run `vault rotate signing`."})
    assert team.wait_for_pair().answer == "Run `vault rotate signing`."


def test_a_link_saves_too(team):
    _, answer = asked_and_answered(team)
    ada = team.member("ada")
    ada.command(f"/lore save {ada.permalink(answer)}", "help")
    assert team.wait_for_pair().origin is Origin.COMMAND


def test_a_pair_of_a_private_channel_keeps_its_scope_and_its_words(team):
    ada, grace, rita = (team.member(name) for name in ("ada", "grace", "rita"))
    question = ada.post("secrets", "What is the budget?")
    answer = grace.reply(question, "Forty-two thousand.")
    ada.react(answer, "bookmark")
    pair = team.wait_for_pair()
    assert pair.scope == pair.channel
    card = rita.wait_for_message("review", lambda m: "Pair 1" in m.said)
    assert "Forty-two" not in card.said
    assert "budget" not in card.said + card.text


def test_a_flat_channels_answer_finds_its_question(team):
    team.member("ada").post("help", "Where do the build logs go?")
    answer = team.member("grace").post("help", "@ada they go to the logs bucket, for 30 days.")
    team.member("ada").react(answer, "bookmark")
    assert team.wait_for_pair().question == "Where do the build logs go?"


def test_an_edited_source_brings_an_approved_pair_back_to_review(team):
    _, answer = asked_and_answered(team)
    grace, rita = team.member("grace"), team.member("rita")
    team.member("ada").react(answer, "bookmark")
    card = rita.wait_for_message("review", lambda m: "pair_approve" in m.actions)
    rita.press(card, "pair_approve")
    team.wait_for_pair(PairState.APPROVED)
    grace.edit(answer, "Run `vault rotate --all`.")
    assert team.wait_for_pair(PairState.CANDIDATE).answer == "Run `vault rotate --all`."
    rita.wait_for(lambda: "pair_approve" in rita.again(card).actions)


def test_a_deleted_source_retires_the_pair_and_says_why(team):
    _, answer = asked_and_answered(team)
    team.member("ada").react(answer, "bookmark")
    pair = team.wait_for_pair()
    team.member("grace").delete(answer)
    assert team.wait_for_pair(PairState.RETIRED).reason == "the answer was deleted in Slack"
    with reading(team.engine) as db:
        assert [entry["what"] for entry in pairs.history(db, pair.id)] == ["captured", "retired"]
    rita = team.member("rita")
    rita.wait_for_message("review", lambda m: "Withdrawn" in m.said and "vault" not in m.said)
