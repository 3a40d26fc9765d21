"""`/lore …` in; what the person is told, and what happens, out."""

from __future__ import annotations

import pytest

from bot.commands import COMMANDS
from lorekeeper.domain import Goal, PairState, RunState
from lorekeeper.store import deployments, pairs, reading, runs
from tests.builder.tiny import approve


def told(team, line, *, who="rita", channel="help"):
    """The next thing that only this person sees after the command."""
    member = team.member(who)
    before = {m.ts for m in member.sees(channel)}
    member.command(line, channel)
    return member.wait_for_message(channel, lambda m: m.is_ephemeral and m.ts not in before)


def test_help_lists_every_command(team):
    shown = told(team, "/lore help")
    assert all(f"/lore {command.usage}" in shown.said for command in COMMANDS.values())


@pytest.mark.parametrize("line", ["/lore", "/lore dance <!channel>"])
def test_nothing_and_nonsense_get_the_list(team, line):
    shown = told(team, line)
    assert "/lore ask TEXT" in shown.said
    assert "<!channel>" not in shown.said


def test_ask_answers_for_the_asker_alone(team):
    ada, sam = team.member("ada"), team.member("sam")
    ada.command("/lore ask how long is this?", "help")
    shown = ada.wait_for_message("help", lambda m: m.is_ephemeral and "letters long" in m.said)
    assert "answer_thumb" in shown.actions
    assert not [m for m in sam.sees("help") if "letters long" in m.said]
    about = team.gateway.requests[0]["lorekeeper"]
    assert set(about["scopes"]) == {"public", team.slack.workspace.channel("secrets").id}


def test_retraining_with_too_few_pairs_says_how_many_are_needed(team):
    assert "a run needs at least 20" in told(team, "/lore retrain").said


def test_retraining_needs_the_role(team):
    shown = told(team, "/lore retrain", who="ada")
    assert "You cannot start and cancel training" in shown.said


@pytest.mark.parametrize(("word", "goal"), [("plan", Goal.PLAN), ("curve", Goal.CURVE)])
def test_a_plan_and_a_curve_are_runs_of_their_own(team, word, goal):
    approve(team.engine, 24)
    assert "is queued" in told(team, f"/lore retrain {word} lora rank=8").said
    with reading(team.engine) as db:
        (run,) = runs.latest(db)
    assert (run.goal, run.recipe, run.options) == (goal, "lora", {"rank": 8})


def test_options_without_a_value_are_refused(team):
    assert "has no value" in told(team, "/lore retrain qlora fast").said


def test_a_run_is_cancelled_by_number_or_by_being_the_only_one(team):
    run = team.queue_run()
    assert f"Run {run.id} is cancelled" in told(team, "/lore cancel").said
    assert "cancelled already" in told(team, f"/lore cancel {run.id}").said
    with reading(team.engine) as db:
        assert runs.get(db, run.id).state is RunState.CANCELLED


def test_runs_are_listed_with_who_asked(team):
    run = team.queue_run()
    shown = told(team, "/lore runs")
    assert f"Run {run.id}" in shown.said
    assert team.member("rita").id in shown.said


def test_an_unknown_adapter_cannot_be_promoted(team):
    assert "There is no adapter 'v9'" in told(team, "/lore promote v9 because").said
    with reading(team.engine) as db:
        assert deployments.current(db) is None


def test_nothing_can_be_rolled_back_at_the_beginning(team):
    assert "nothing to go back to" in told(team, "/lore rollback").said


def test_status_says_what_answers(team):
    shown = told(team, "/lore status")
    assert "engine scripted" in shown.said
    assert "the base model" in shown.said


def test_status_says_that_nothing_answers(team):
    team.gateway.__exit__(None, None, None)
    assert "does not answer" in told(team, "/lore status").said


def test_dataset_counts_the_pairs(team):
    team.queue_run()
    assert "*2* waiting" in told(team, "/lore dataset").said


def test_the_dataset_report_comes_as_a_message_with_its_picture(team):
    team.queue_run()
    with team.engine.begin() as db:
        for pair in pairs.in_state(db, PairState.CANDIDATE):
            pairs.move(db, pair, PairState.APPROVED, by="U1")
    rita = team.member("rita")
    rita.command("/lore dataset report", "help")
    direct = rita.open_dm()
    report = rita.wait_for_message(direct, lambda m: "What to do" in m.said)
    assert "are 2 pairs" in report.said
    rita.wait_for_message(
        direct, lambda m: any(f["name"] == "quality.png" for f in m.raw.get("files", []))
    )


def test_the_report_is_for_reviewers(team):
    assert "You cannot review" in told(team, "/lore dataset report", who="ada").said
    assert "There is no `/lore dataset everything`" in told(team, "/lore dataset everything").said
