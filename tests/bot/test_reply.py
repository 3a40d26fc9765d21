"""Questions in Slack in; one streamed answer each, or why there is none, out."""

from __future__ import annotations

import threading

from pydantic import SecretStr

from bot import gateway, reply
from lorekeeper.domain import Level
from lorekeeper.store import answers, messages, reading


def ask(team, text="how long is this?", who="ada", channel="help"):
    return team.member(who).post(channel, f"<@{team.bot}> {text}")


def test_a_mention_is_answered_in_its_thread_with_sources_and_thumbs(team):
    ada = team.member("ada")
    question = ask(team)
    answer = ada.wait_for_answer(question)
    assert answer.thread_ts == question.ts
    assert answer.streaming == "completed"
    assert "It is 17 letters long [1]." in answer.said
    assert "https://example.com/letters" in str(answer.blocks)
    assert "How letters are counted" in answer.said
    assert "adapter v1" in answer.said
    assert "answer_thumb" in answer.actions
    help_id = team.slack.workspace.channel("help").id

    def stored():
        with reading(team.engine) as db:
            return answers.by_message(db, help_id, answer.ts)

    assert team.until(stored).text == "It is 17 letters long [1]."
    ada.wait_for(lambda: ada.status("help", question.ts) == "")


def test_a_mention_that_comes_twice_is_answered_once(team):
    ada = team.member("ada")
    question = ask(team)
    ada.wait_for_answer(question)
    for envelope in list(team.slack.workspace.events):  # Slack resends everything
        team.slack.workspace.deliver(team.slack.app, envelope)
    other = ask(team, "and this?", who="grace")
    team.member("grace").wait_for_answer(other)
    assert len(team.gateway.requests) == 2
    assert len(ada.thread(question)) == 2


def test_a_direct_message_is_answered_without_a_mention(team):
    ada = team.member("ada")
    channel = ada.open_dm()
    question = ada.post(channel, "how long is this?")
    ada.wait_for_answer(question)
    assert "public" in team.gateway.requests[0]["lorekeeper"]["scopes"]
    secrets = team.slack.workspace.channel("secrets").id
    assert secrets in team.gateway.requests[0]["lorekeeper"]["scopes"]


def test_in_public_only_public_sources_may_be_quoted_and_the_live_thread_is_left_out(team):
    ada = team.member("ada")
    question = ask(team)
    ada.wait_for_answer(question)
    about = team.gateway.requests[0]["lorekeeper"]
    help_id = team.slack.workspace.channel("help").id
    assert about["scopes"] == ["public"]
    assert about["exclude"] == [f"{help_id}/{question.ts}"]
    assert about["asker"] == ada.id


def test_a_follow_up_is_answered_with_the_turns_before_it(team):
    ada = team.member("ada")
    question = ask(team)
    first = ada.wait_for_answer(question)
    follow_up = ada.reply(question, "and what about this one?")
    ada.wait_for_answer(follow_up)
    turns = team.gateway.requests[1]["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert turns[1]["content"] in first.said


def test_people_who_talk_with_each_other_are_not_interrupted(team):
    ada, grace = team.member("ada"), team.member("grace")
    question = ask(team)
    ada.wait_for_answer(question)
    grace.reply(question, "I think that is right.")
    grace.reply(question, "@ada do you agree?")
    ada.reply(question, "shall we count again?")  # to Grace, who spoke last
    other = ask(team, "something else?", who="sam")
    team.member("sam").wait_for_answer(other)
    assert len(team.gateway.requests) == 2


def test_secrets_in_a_question_go_nowhere(team):
    ada = team.member("ada")
    question = ask(team, "why does ghp_0123456789abcdefghijABCDEFGHIJ012345 not work?")
    ada.wait_for_answer(question)
    assert "ghp_" not in str(team.gateway.requests)
    with reading(team.engine) as db:
        stored = messages.get(db, team.slack.workspace.channel("help").id, question.ts)
    assert "[secret 1]" in stored.text


def test_a_gateway_that_is_down_is_said_in_words_and_retried_by_a_button(team):
    ada = team.member("ada")
    team.gateway.refuse_with = 503
    question = ask(team)
    sorry = ada.wait_for_answer(question)
    assert "does not answer" in sorry.said
    team.gateway.refuse_with = None
    ada.press(sorry, "answer_retry")
    ada.wait_for_message("help", lambda m: "letters long" in m.said, thread_ts=question.ts)


def test_who_has_to_wait_is_told_the_place(team):
    ada = team.member("ada")
    go_on = threading.Event()
    team.gateway.before = 3
    team.gateway.between_pieces = lambda: go_on.wait(60)
    question = ask(team)
    ada.wait_for(lambda: ada.status("help", question.ts) == "is waiting: 3 before you…")
    go_on.set()
    ada.wait_for_answer(question)


def test_a_gateway_with_too_much_to_do_is_said_in_its_words(team):
    ada = team.member("ada")
    team.gateway.refuse_with = 429
    sorry = ada.wait_for_answer(ask(team))
    assert "I cannot answer right now. refused by the script" in sorry.said
    assert "answer_retry" in sorry.actions


def test_a_deleted_question_stops_its_answer(team):
    ada = team.member("ada")
    writing, go_on = threading.Event(), threading.Event()
    team.gateway.say = lambda question: [f"word {n} " for n in range(2000)]

    def between():
        writing.set()
        go_on.wait(60)

    team.gateway.between_pieces = between
    question = ask(team)
    assert writing.wait(60)
    ada.delete(question)
    help_id = team.slack.workspace.channel("help").id

    def withdrawn():
        asked = team.desk.asking.about(help_id, question.ts)
        return asked is None or asked.withdrawn

    team.until(withdrawn, "its withdrawal")
    go_on.set()
    assert team.gateway.gave_up.wait(60)


def test_an_edited_question_gets_one_answer_to_what_it_asks_now(team):
    ada = team.member("ada")
    help_id = team.slack.workspace.channel("help").id
    writing, go_on = threading.Event(), threading.Event()

    def between():
        writing.set()
        go_on.wait(60)

    team.gateway.between_pieces = between
    question = ask(team, "how long?")
    assert writing.wait(60)
    ada.edit(question, f"<@{team.bot}> how long is this edited one?")
    team.until(lambda: team.desk.asking.about(help_id, question.ts).edited)
    go_on.set()
    ada.wait_for_message(
        "help", lambda m: "28 letters" in m.said and m.actions, thread_ts=question.ts
    )
    assert len(ada.thread(question)) == 2
    assert ada.thread(question)[1].said.count("letters long") == 1


def test_an_edit_that_slack_tells_of_after_the_answer_is_answered_in_its_place(team):
    ada = team.member("ada")
    deliver, held = team.slack.workspace.deliver, []
    team.slack.workspace.deliver = lambda app, envelope: (
        held.append((app, envelope))
        if envelope["event"].get("subtype") == "message_changed"
        else deliver(app, envelope)
    )
    writing, go_on = threading.Event(), threading.Event()

    def between():
        writing.set()
        go_on.wait(60)

    team.gateway.between_pieces = between
    question = ask(team, "how long?")
    assert writing.wait(60)
    ada.edit(question, f"<@{team.bot}> how long is this edited one?")
    edit = held[-1]
    go_on.set()
    ada.wait_for_answer(question)
    help_id = team.slack.workspace.channel("help").id
    team.until(lambda: team.desk.asking.ended(help_id, question.ts))
    deliver(*edit)
    ada.wait_for_message(
        "help", lambda m: "28 letters" in m.said and m.actions, thread_ts=question.ts
    )
    assert len(ada.thread(question)) == 2


def test_an_edit_after_the_answer_changes_nothing(team):
    ada = team.member("ada")
    question = ask(team, "how long?")
    ada.wait_for_answer(question)
    help_id = team.slack.workspace.channel("help").id
    team.until(lambda: team.desk.asking.ended(help_id, question.ts))
    ada.edit(question, f"<@{team.bot}> how long is this edited one?")
    other = ask(team, "and this?", who="sam")
    team.member("sam").wait_for_answer(other)
    assert len(team.gateway.requests) == 2


def test_the_stop_button_ends_the_answer(team):
    ada = team.member("ada")
    writing, go_on = threading.Event(), threading.Event()
    team.gateway.say = lambda question: [f"word {n} " for n in range(2000)]

    def between():
        writing.set()
        go_on.wait(60)

    team.gateway.between_pieces = between
    channel = ada.open_dm()
    question = ada.post(channel, "tell me everything")
    assert writing.wait(60)
    ada.stop_session(channel, question.ts)
    team.until(lambda: team.desk.asking.about(channel, question.ts).stopped)
    go_on.set()
    ada.wait_for_message(channel, lambda m: "Stopped" in m.said, thread_ts=question.ts)
    assert team.gateway.gave_up.wait(60)


def test_a_stream_that_slack_closed_is_completed_by_an_update(team):
    ada = team.member("ada")
    team.slack.workspace.faults.next("chat.stopStream", error="message_not_in_streaming_state")
    question = ask(team)
    answer = ada.wait_for_message(
        "help", lambda m: "answer_thumb" in m.actions, thread_ts=question.ts
    )
    assert "It is 17 letters long [1]." in answer.said
    assert len(ada.thread(question)) == 2


def test_a_very_long_answer_is_cut_into_messages_that_slack_takes(team):
    ada = team.member("ada")
    team.gateway.say = lambda question: ["All work and no play. " * 100] * 8
    question = ask(team)
    ada.wait_for_message("help", lambda m: "answer_thumb" in m.actions, thread_ts=question.ts)
    said = [m.said for m in ada.thread(question)[1:]]
    assert len(said) == 2
    assert sum(text.count("All work and no play.") for text in said) == 800


def test_a_degraded_answer_says_so(team):
    ada = team.member("ada")
    team.gateway.level = Level.BASE
    answer = ada.wait_for_answer(ask(team))
    assert "The adapter is not loaded." in answer.said
    assert "the base model" in answer.said


def test_a_guest_gets_no_public_sources(team):
    gus = team.member("gus")
    answer = gus.wait_for_answer(ask(team, who="gus"))
    assert "Guests" in answer.said
    assert team.gateway.requests == []


def test_an_empty_question_is_told_what_to_do(team):
    answer = team.member("ada").wait_for_answer(ask(team, ""))
    assert "Ask me something" in answer.said
    assert team.gateway.requests == []


def test_only_a_picture_is_told_to_be_in_words(team):
    ada = team.member("ada")
    channel = team.slack.workspace.channel("help")
    raw = ada.post("help", "look").raw | {
        "text": f"<@{team.bot}>",
        "blocks": [],
        "subtype": "file_share",
    }
    question = reply.question_of(team.desk, channel.id, raw | {"files": [{"id": "F1"}]})
    assert question.has_files
    reply.answer(team.desk, question)
    ada.wait_for_message("help", lambda m: "cannot read pictures" in m.said, thread_ts=question.ts)
    assert team.gateway.requests == []


def test_a_question_of_forty_thousand_characters_is_answered(team):
    ada = team.member("ada")
    answer = ada.wait_for_answer(ask(team, "how long is this? " * 2_200))
    assert "letters long" in answer.said


def test_other_apps_are_not_answered(team):
    ada = team.member("ada")
    help_id = team.slack.workspace.channel("help").id
    loop = {"type": "message", "user": "UAPP", "bot_id": "BAPP", "ts": "1700000000.000100"}
    reply.heard(team.desk, help_id, loop | {"text": f"<@{team.bot}> and how long is this?"})
    ada.wait_for_answer(ask(team))
    assert len(team.gateway.requests) == 1


def test_without_the_gateways_key_only_public_sources_are_asked_for(config):
    turns = [{"role": "user", "content": "how long is this?"}]
    asking = gateway.Asking(
        turns=turns, scopes=frozenset({"public", "G1"}), asker="U1", channel="D1"
    )
    keyless = config.serving.model_copy(update={"gateway_key": SecretStr("")})
    assert gateway._allowed(config.serving, asking).scopes == {"public", "G1"}
    assert gateway._allowed(keyless, asking).scopes == {"public"}
