"""Where the bot does not help, people are asked: in the thread, or privately when the question was private."""

from __future__ import annotations

from lorekeeper.domain import Level, PairState, Ways
from lorekeeper.store import pairs, ways
from tests.bot.conftest import a_pair


def unanswered(team, who="ada"):
    team.gateway.level = Level.UNKNOWN
    question = team.member(who).post("help", f"<@{team.bot}> how long is this?")
    return question, team.member(who).wait_for_answer(question)


def saved_by_grace(team):
    help_id = team.slack.workspace.channel("help").id
    with team.engine.begin() as db:
        pairs.add(
            db,
            a_pair(
                channel=help_id, state=PairState.APPROVED, authors=("U9", team.member("grace").id)
            ),
        )


def test_who_answered_most_there_is_called_into_the_thread_once(team):
    saved_by_grace(team)
    question, answer = unanswered(team)
    sam, grace = team.member("sam"), team.member("grace")
    sam.press(answer, "answer_human")
    called = grace.wait_for_message(
        "help", lambda m: m.thread_ts == question.ts and "could not help" in m.said
    )
    assert f"<@{grace.id}>" in str(called.blocks)
    sam.press(answer, "answer_human")
    sam.wait_for_message("help", lambda m: "People were asked already" in m.said)


def test_those_whom_the_channel_named_come_first(team):
    saved_by_grace(team)
    help_id, rita = team.slack.workspace.channel("help").id, team.member("rita")
    with team.engine.begin() as db:
        ways.put(db, help_id, Ways(experts=(rita.id,)), by="U1")
    _, answer = unanswered(team)
    team.member("ada").press(answer, "answer_human")
    called = rita.wait_for_message("help", lambda m: "could not help" in m.said)
    assert f"<@{rita.id}>" in str(called.blocks)
    assert f"<@{team.member('grace').id}>" not in str(called.blocks)


def test_of_a_private_question_experts_hear_in_a_direct_message(team):
    saved_by_grace(team)
    team.gateway.level = Level.UNKNOWN
    ada, grace, sam = (team.member(name) for name in ("ada", "grace", "sam"))
    ada.command("/lore ask how long is this?", "help")
    shown = ada.wait_for_message("help", lambda m: m.is_ephemeral and "answer_human" in m.actions)
    ada.press(shown, "answer_human")
    told = grace.open_dm()
    grace.wait_for_message(told, lambda m: "could not help" in m.said)
    assert not [m for m in sam.sees("help") if "could not help" in m.said]


def test_where_nobody_is_known_the_person_is_told(team):
    _, answer = unanswered(team)
    ada = team.member("ada")
    ada.press(answer, "answer_human")
    ada.wait_for_message("help", lambda m: "I know nobody here" in m.said)


def test_naming_people_wakes_nobody(team):
    grace = team.member("grace")
    team.gateway.say = lambda question: [f"<@{grace.id}> said so."]
    question = team.member("ada").post("help", f"<@{team.bot}> who said so?")
    answer = team.member("ada").wait_for_answer(question)
    assert f"<@{grace.id}>" not in answer.text + str(answer.blocks)
    assert "@Grace" in answer.said
