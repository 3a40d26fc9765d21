"""A channel chooses how it is answered, in chat; the choice holds from the next question on."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from bot import ways as bot_ways
from lorekeeper.domain import Level, PassageKind, Ways
from lorekeeper.errors import BadInput, NotFound
from lorekeeper.store import reading, ways
from lorekeeper.tables import adapters
from tests.lorekeeper.store.test_deployments import add_adapters, unscored

FORM = {"switches": ["answers"], "sources": ["pair", "document"], "adapter": "current"}


def choose(team, **changes):
    help_id = team.slack.workspace.channel("help").id
    with team.engine.begin() as db:
        ways.put(db, help_id, Ways(**changes), by="U1")


def submit(team, **changes):
    rita = team.member("rita")
    rita.command("/lore channel", "help")
    form = rita.wait_for_modal(lambda view: "How I answer" in view["title"]["text"])
    rita.fill_and_submit(form, FORM | changes)


def test_a_curator_changes_it_in_a_form_and_is_told(team):
    submit(team, instructions="Short.\nWith the command first.", language="German")
    rita = team.member("rita")
    rita.wait_for_message("help", lambda m: m.is_ephemeral and "With the command first" in m.said)
    with reading(team.engine) as db:
        chosen = ways.of(db, team.slack.workspace.channel("help").id)
    assert chosen == Ways(
        sources=(PassageKind.PAIR, PassageKind.DOCUMENT),
        instructions="Short. With the command first.",
        language="German",
    )
    question = team.member("ada").post("help", f"<@{team.bot}> how long is this?")
    team.member("ada").wait_for_answer(question)
    about = team.gateway.requests[0]["lorekeeper"]
    assert about["kinds"] == ["pair", "document"]
    assert about["style"] == "Short. With the command first. Answer in German."


def test_everybody_else_reads_how_it_is(team):
    ada = team.member("ada")
    ada.command("/lore channel", "help")
    ada.wait_for_message("help", lambda m: m.is_ephemeral and "I answer who mentions me" in m.said)
    assert ada.modal() is None


def test_without_a_source_nothing_is_saved(team):
    submit(team, sources=[])
    team.member("rita").wait_for_message("help", lambda m: "Without any source" in m.said)
    with reading(team.engine) as db:
        assert ways.of(db, team.slack.workspace.channel("help").id) == Ways()


def test_an_adapter_that_does_not_exist_is_refused(team):
    with pytest.raises(NotFound, match="v99"):
        bot_ways.save(team.desk, "C1", Ways(adapter="v99"), by=team.member("rita").id)


def test_a_whole_model_is_refused_with_the_reason(team):
    with team.engine.begin() as db:
        add_adapters(db, "v1")
        db.execute(update(adapters).values(kind="model", **unscored()))
    with pytest.raises(BadInput, match="v1 is a whole model"):
        bot_ways.save(team.desk, "C1", Ways(adapter="v1"), by=team.member("rita").id)


def test_a_channels_own_adapter_is_asked_for(team):
    choose(team, adapter="v2")
    question = team.member("ada").post("help", f"<@{team.bot}> how long is this?")
    team.member("ada").wait_for_answer(question)
    assert team.gateway.requests[0]["model"] == "v2"


def test_where_it_is_off_who_mentions_the_bot_is_told_so_alone(team):
    choose(team, answers=False)
    ada, sam = team.member("ada"), team.member("sam")
    question = ada.post("help", f"<@{team.bot}> how long is this?")
    ada.wait_for_message(
        "help", lambda m: m.is_ephemeral and "do not answer in this channel" in m.said
    )
    assert len(sam.thread(question)) == 1
    assert team.gateway.requests == []


def test_a_question_to_nobody_is_answered_where_the_channel_wants_it(team):
    choose(team, unmentioned=True)
    ada = team.member("ada")
    question = ada.post("help", "How long is this?")
    assert "letters long" in ada.wait_for_answer(question).said


def test_nobody_is_bothered_where_the_bot_does_not_know_and_was_not_asked(team):
    choose(team, unmentioned=True)
    team.gateway.level = Level.UNKNOWN
    ada = team.member("ada")
    quiet = ada.post("help", "How long is this?")
    ada.post("help", "I had lunch.")
    ada.post("help", "<@U0123> how long is that?")
    asked = ada.post("help", f"<@{team.bot}> how long is that?")
    ada.wait_for_answer(asked)
    team.until(lambda: len(team.gateway.requests) == 2)
    assert len(ada.thread(quiet)) == 1


def test_a_question_to_nobody_is_left_alone_by_default(team):
    ada = team.member("ada")
    ada.post("help", "How long is this?")
    asked = ada.post("help", f"<@{team.bot}> and this?")
    ada.wait_for_answer(asked)
    assert len(team.gateway.requests) == 1
