"""The wish to look through a channel's past in; candidates, and one message that keeps up, out."""

from __future__ import annotations

import pytest

from bot import history
from lorekeeper.domain import Origin, PairState
from lorekeeper.errors import AlreadyRunning, NotAllowed, StaleDecision
from lorekeeper.store import imports, reading


@pytest.fixture
def past(team):
    """Questions and answers that nobody saved."""
    ada, grace = team.member("ada"), team.member("grace")
    for number in range(3):
        asked = ada.post("help", f"How do I restart service number {number}?")
        grace.reply(asked, f"Run `restart service-{number}` on the host and wait for a minute.")
        ada.reply(asked, "Thanks, that worked!")
    return team.slack.workspace.channel("help").id


def job(team, channel):
    with reading(team.engine) as db:
        return imports.get(db, channel)


def test_the_past_becomes_candidates_and_the_message_says_so(team, past):
    rita = team.member("rita")
    rita.command("/lore import", "help")
    done = rita.wait_for_message("help", lambda m: "3* new candidates" in m.said)
    assert "Done" in done.said
    found = team.pairs()
    assert {pair.origin for pair in found} == {Origin.MINED}
    assert found[0].answer.startswith("Run `restart service-0`")
    assert all(pair.confidence for pair in found)


def test_importing_again_adds_nothing_even_what_was_rejected(team, past):
    rita = team.member("rita")
    rita.command("/lore import", "help")
    rita.wait_for_message("help", lambda m: "Done" in m.said)
    from bot import review

    review.decide(team.desk, 1, PairState.REJECTED, by=rita.id)
    rita.command("/lore import", "help")
    rita.wait_for_message("help", lambda m: "Done" in m.said and "0* new candidates" in m.said)
    assert len(team.pairs()) == 2


def test_a_cancelled_job_is_taken_up_where_it_stopped(team, past):
    rita = team.member("rita")
    with team.engine.begin() as db:
        imports.begin(db, past, by=rita.id)
        imports.go_on(db, past, messages=7)
    stopped = history.cancel(team.desk, past, by=rita.id)
    assert stopped.state == "cancelled"
    history.step(team.desk, past)  # what was under way finds that it was cancelled
    assert job(team, past).state == "cancelled"
    again = history.begin(team.desk, past, by=rita.id, told_in=past)
    assert again.messages == 7
    team.until(lambda: job(team, past).state == "done")


def test_a_second_wish_is_told_of_the_first(team, past):
    rita = team.member("rita")
    with team.engine.begin() as db:
        imports.begin(db, past, by=rita.id)
    with pytest.raises(AlreadyRunning, match="being imported already"):
        history.begin(team.desk, past, by=rita.id, told_in=past)


def test_who_may_not_review_may_not_import(team, past):
    with pytest.raises(NotAllowed):
        history.begin(team.desk, past, by=team.member("ada").id, told_in=past)


def test_a_private_channel_is_imported_by_its_members_only(team):
    secrets = team.slack.workspace.channel("secrets").id
    with pytest.raises(NotAllowed, match="You are not in"):
        history.begin(team.desk, secrets, by=team.member("rita").id, told_in=secrets)


def test_what_is_over_cannot_be_cancelled(team, past):
    with pytest.raises(StaleDecision):
        history.cancel(team.desk, past, by=team.member("rita").id)


def test_a_channel_that_the_bot_is_not_in_fails_with_the_reason(team):
    elsewhere = team.slack.workspace.add_channel("elsewhere", members=["rita"])
    rita = team.member("rita")
    rita.command(f"/lore import {elsewhere.id}", "help")
    rita.wait_for_message("help", lambda m: "It failed" in m.said)


def test_another_channel_is_named_by_its_link_or_id(team, past):
    rita = team.member("rita")
    rita.command("/lore import yesterday", "review")
    rita.wait_for_message("review", lambda m: m.is_ephemeral and "is not a channel" in m.said)
