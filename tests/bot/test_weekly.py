"""Once a week the review channel is told what was asked and what nobody could answer; private questions are only counted."""

from __future__ import annotations

import time
import uuid

from bot import mirror, weekly
from lorekeeper.domain import PUBLIC, Answer, Level
from lorekeeper.store import answers, cards, feedback, reading


def put(
    team, question, *, channel="help", level=Level.UNKNOWN, scopes=(), thread="1700000000.000100"
):
    place = team.slack.workspace.channel(channel).id
    mirror.channel_of(team.desk, place)
    made = Answer(
        id=uuid.uuid4().hex, question=question, text="So.", citations=(), level=level, model="v1",
        scopes=scopes, asker="U1", channel=place, thread_ts=thread, at=time.time(),
    )  # fmt: skip
    with team.engine.begin() as db:
        return answers.add(db, made)


def digest(team):
    weekly.look(team.desk, now=time.time() + weekly.WEEK)
    return team.member("rita").wait_for_message(
        "review", lambda m: "This week's questions" in m.said
    )


def test_gaps_are_grouped_and_lead_to_where_they_were_asked(team):
    put(team, "How is the data warehouse backed up?")
    put(team, "how do we back up the data warehouse")
    put(team, "Who owns the search service?")
    put(team, "How long is this?", level=Level.TUNED)
    message = digest(team)
    assert "4 asked" in message.said.replace("*", "")
    assert "2 times" in message.said
    assert message.said.count("data warehouse") == 1
    assert "/archives/" in str(message.blocks)
    assert "&lt;" not in str(message.blocks)


def test_a_disliked_answer_is_a_gap(team):
    answer = put(team, "How long is this?", level=Level.TUNED)
    with team.engine.begin() as db:
        feedback.give(db, answer_id=answer.id, by="U2", helpful=False)
    assert "How long is this?" in digest(team).said


def test_private_questions_are_counted_and_never_shown(team):
    put(team, "Am I going to be fired?", thread=None)
    put(team, "When is the merger announced?", channel="secrets")
    put(
        team,
        "What is the merger's price?",
        scopes=(PUBLIC, team.slack.workspace.channel("secrets").id),
    )
    message = digest(team)
    assert "3 asked" in message.said.replace("*", "")
    assert "fired" not in message.said
    assert "merger" not in message.said


def test_it_comes_once_a_week(team):
    put(team, "Who owns the search service?")
    weekly.look(team.desk)  # a team that began today has no week behind it
    with reading(team.engine) as db:
        assert cards.get(db, weekly.SUBJECT) is None
    digest(team)
    with reading(team.engine) as db:
        first = cards.get(db, weekly.SUBJECT)
    weekly.look(team.desk, now=time.time() + weekly.WEEK)
    with reading(team.engine) as db:
        assert cards.get(db, weekly.SUBJECT) == first
    weekly.look(team.desk, now=time.time() + 2 * weekly.WEEK)
    with reading(team.engine) as db:
        assert cards.get(db, weekly.SUBJECT) == first  # nothing was asked in that week
