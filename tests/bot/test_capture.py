"""Reactions, shortcuts and links in; saved pairs, and what their captors are told, out."""

from __future__ import annotations

import pytest

from bot import capture
from bot.app import running
from lorekeeper.domain import Origin, PairState
from lorekeeper.errors import BadInput, StaleDecision
from lorekeeper.settings import Rules
from lorekeeper.store import messages, pairs, reading
from tests.bot.conftest import Team

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
    inputs = [block["element"] for block in modal["blocks"] if block["type"] == "input"]
    values = {element["action_id"]: element.get("initial_value") for element in inputs}
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
    rita = team.member("rita")
    rita.wait_for_message("review", lambda m: "pair_approve" in m.actions)
    team.member("grace").delete(answer)
    assert team.wait_for_pair(PairState.RETIRED).reason == "the answer was deleted in Slack"
    with reading(team.engine) as db:
        assert [entry["what"] for entry in pairs.history(db, pair.id)] == ["captured", "retired"]
    rita.wait_for_message("review", lambda m: "Withdrawn" in m.said and "vault" not in m.said)


def test_several_messages_of_a_thread_are_joined_into_one_answer(team):
    ada, grace = team.member("ada"), team.member("grace")
    question = ada.post("help", QUESTION)
    first = grace.reply(question, "Run `vault rotate signing`.")
    second = grace.reply(question, "Then restart the gateways.")
    ada.shortcut("save_answer", first)
    modal = ada.wait_for_modal(lambda view: view.get("callback_id") == "save_pair")
    ada.press(modal, "pair_join", [first.ts, second.ts])
    joined = ada.wait_for_modal(lambda view: "restart the gateways" in str(inputs(view)))
    ada.fill_and_submit(joined, {"tags": "keys, gateways, keys"})
    pair = team.wait_for_pair()
    assert pair.answer == "Run `vault rotate signing`.\nThen restart the gateways."
    assert pair.answer_parts == (first.ts, second.ts)
    assert pair.tags == ("keys", "gateways")


def test_a_question_worded_before_the_parts_were_chosen_is_kept(team):
    ada, grace = team.member("ada"), team.member("grace")
    question = ada.post("help", QUESTION)
    first, second = (grace.reply(question, text) for text in ("Run `rotate`.", "Then wait."))
    ada.shortcut("save_answer", first)
    modal = ada.wait_for_modal(lambda view: view.get("callback_id") == "save_pair")
    own = {"question": "How are keys rotated?"}
    ada.press(modal, "pair_join", [first.ts, second.ts], filled=own)
    joined = ada.wait_for_modal(lambda view: "Then wait" in str(inputs(view)))
    assert "How are keys rotated?" in str(inputs(joined))
    ada.fill_and_submit(joined, {})
    assert team.wait_for_pair().question == "How are keys rotated?"


def test_an_edited_part_changes_the_joined_answer_and_a_deleted_one_retires_it(team):
    ada, grace = team.member("ada"), team.member("grace")
    question = ada.post("help", QUESTION)
    first, second = (grace.reply(question, text) for text in ("Run `rotate`.", "Then wait."))
    ada.shortcut("save_answer", first)
    modal = ada.wait_for_modal(lambda view: view.get("callback_id") == "save_pair")
    ada.press(modal, "pair_join", [first.ts, second.ts])
    ada.fill_and_submit(ada.wait_for_modal(lambda view: "Then wait" in str(inputs(view))), {})
    team.wait_for_pair()
    grace.edit(second, "Then restart.")
    team.until(lambda: team.pairs()[0].answer == "Run `rotate`.\nThen restart.")
    grace.delete(second)
    assert team.wait_for_pair(PairState.RETIRED).answer == ""


def test_a_message_that_is_part_of_an_answer_is_saved_already(team):
    ada, grace, sam = (team.member(name) for name in ("ada", "grace", "sam"))
    question = ada.post("help", QUESTION)
    first, second = (grace.reply(question, text) for text in ("Run `rotate`.", "Then wait."))
    ada.shortcut("save_answer", first)
    modal = ada.wait_for_modal(lambda view: view.get("callback_id") == "save_pair")
    ada.press(modal, "pair_join", [first.ts, second.ts])
    ada.fill_and_submit(ada.wait_for_modal(lambda view: "Then wait" in str(inputs(view))), {})
    team.wait_for_pair()
    sam.react(second, "bookmark")
    note(sam, text="already saved as pair 1")


def test_a_message_of_forty_thousand_characters_is_saved_and_edited_whole(team):
    long = "Restart the gateway. " * 1900 + "The end."
    question = team.member("ada").post("help", QUESTION)
    answer = team.member("grace").reply(question, long)
    ada = team.member("ada")
    ada.react(answer, "bookmark")
    assert team.wait_for_pair().answer == long
    ada.press(note(ada), "pair_edit")
    modal = ada.wait_for_modal()
    ada.fill_and_submit(modal, {"question": "How are keys rotated?"})
    team.until(lambda: team.pairs()[0].question == "How are keys rotated?")
    assert team.pairs()[0].answer == long


def test_a_modal_that_is_submitted_twice_saves_once(team):
    _, answer = asked_and_answered(team)
    ada = team.member("ada")
    ada.shortcut("save_answer", answer)
    modal = ada.wait_for_modal(lambda view: view.get("callback_id") == "save_pair")
    ada.fill_and_submit(modal, {})
    pair = team.wait_for_pair()
    with pytest.raises(StaleDecision, match="already saved as pair 1"):
        capture.propose(
            team.desk, channel=pair.channel, ts=answer.ts, by=ada.id, origin=Origin.SHORTCUT
        )
    assert len(team.pairs()) == 1


def test_a_reaction_on_a_message_that_is_gone_is_answered(team):
    _, answer = asked_and_answered(team)
    team.member("grace").delete(answer)
    with pytest.raises(BadInput, match="not there any more"):
        capture.reacted(
            team.desk, channel=channel_id(team, "help"), ts=answer.ts, by=team.member("ada").id
        )
    assert team.pairs() == []


def test_a_channel_that_the_bot_is_not_in_is_named(team):
    elsewhere = team.slack.workspace.add_channel("elsewhere", members=["ada", "grace"])
    message = team.member("grace").post("elsewhere", "Yes.")
    with pytest.raises(BadInput, match=f"I cannot read <#{elsewhere.id}>"):
        capture.reacted(team.desk, channel=elsewhere.id, ts=message.ts, by=team.member("ada").id)


@pytest.mark.parametrize(
    "text",
    [
        "أعد تشغيل البوابة ثم انتظر خمس دقائق.",
        "ゲートウェイを再起動してください。",
        "Перезапустите шлюз 🚀",
        "‮reversed‬ text",
        "a\u0301\u200d👩‍👩‍👧",
    ],
)
def test_an_answer_in_any_language_and_direction_is_kept_as_it_is(team, text):
    question = team.member("ada").post("help", QUESTION)
    answer = team.member("grace").reply(question, text)
    team.member("ada").react(answer, "bookmark")
    assert team.wait_for_pair().answer == text


def test_who_opted_out_is_never_stored_nor_saved(team):
    ada, grace = team.member("ada"), team.member("grace")
    grace.command("/lore optout", "help")
    note(grace, text="nothing that you write is stored")
    _, answer = asked_and_answered(team)
    ada.react(answer, "bookmark")
    note(ada, text="asked that nothing they write is kept")
    assert team.pairs() == []
    with reading(team.engine) as db:
        assert messages.written_by(db, grace.id) == []
    grace.command("/lore optin", "help")
    note(grace, text="Welcome back")


def test_another_channel_may_have_its_own_emoji(slack, config, gateway, engine):
    secrets = slack.workspace.channel("secrets").id
    rules = {secrets: Rules(save_emoji=("books", "floppy_disk"))}
    changed = config.model_copy(update={"bot": config.bot.model_copy(update={"channels": rules})})
    with running(changed, engine) as desk:
        team = Team(slack=slack, desk=desk, gateway=gateway, engine=engine)
        question = team.member("ada").post("secrets", QUESTION)
        answer = team.member("grace").reply(question, "Run `rotate`.")
        team.member("ada").react(answer, "bookmark")
        team.member("ada").react(answer, "floppy_disk")
        note(team.member("ada"), channel="secrets")
        assert len(team.pairs()) == 1


def test_who_may_save_can_be_limited_by_channel(slack, config, gateway, engine):
    sam = slack.workspace.user("sam").id
    rules = {slack.workspace.channel("help").id: Rules(capturers=(sam,))}
    changed = config.model_copy(update={"bot": config.bot.model_copy(update={"channels": rules})})
    with running(changed, engine) as desk:
        team = Team(slack=slack, desk=desk, gateway=gateway, engine=engine)
        _, answer = asked_and_answered(team)
        team.member("ada").react(answer, "bookmark")
        note(team.member("ada"), text=f"These people can: <@{sam}>")
        team.member("sam").react(answer, "bookmark")
        assert team.wait_for_pair().captured_by == sam


def inputs(view):
    return [block.get("element") for block in view["blocks"] if block["type"] == "input"]


def channel_id(team, name):
    return team.slack.workspace.channel(name).id


def test_a_message_that_is_only_a_file_is_not_saved(team):
    ada = team.member("ada")
    file = {"id": "F1", "name": "plan.pdf", "mode": "hosted"}
    raw = team.slack.workspace.post("help", "grace", "", subtype="file_share", files=[file])
    with pytest.raises(BadInput, match="has no text"):
        capture.propose(
            team.desk,
            channel=channel_id(team, "help"),
            ts=raw["ts"],
            by=ada.id,
            origin=Origin.REACTION,
        )
    assert team.pairs() == []
