"""Suggestions are questions that were really asked, in the open, and answered; never anybody's private ones."""

from __future__ import annotations

import time
import uuid

from bot import mirror, prompts
from bot.playground import events
from lorekeeper.domain import PUBLIC, Answer, Citation, Level
from lorekeeper.store import answers


def put(team, question, *, channel="help", scopes=(PUBLIC,), level=Level.TUNED, thread="1.0"):
    cited = Citation(number=1, passage_id="p", title="t", url="https://x", quote="q")
    made = Answer(
        id=uuid.uuid4().hex, question=question, text="So. [1]", citations=(cited,), level=level,
        model="v1", scopes=scopes, asker="U1", channel=team.slack.workspace.channel(channel).id,
        thread_ts=thread, at=time.time(),
    )  # fmt: skip
    with team.engine.begin() as db:
        answers.add(db, made)


def suggested(team, who="ada"):
    member = team.member(who)
    member.open_home("messages")
    channel = member.open_dm()
    member.wait_for(lambda: member.suggested_prompts(channel))
    return [one["message"] for one in member.suggested_prompts(channel)]


def test_what_is_asked_often_comes_first(team):
    put(team, "Who restarts the mailer?")
    put(team, "How is the billing service deployed?")
    put(team, "how do we deploy the billing service")
    mirror.channel_of(team.desk, team.slack.workspace.channel("help").id)
    found = suggested(team)
    assert "billing service" in found[0]
    assert "Who restarts the mailer?" not in found
    assert "What can you do?" in found


def test_private_questions_and_answers_are_never_suggested(team):
    for name in ("help", "secrets"):
        mirror.channel_of(team.desk, team.slack.workspace.channel(name).id)
    secrets = team.slack.workspace.channel("secrets").id
    for _ in range(2):
        put(team, "When is the merger with Acme announced?", channel="secrets", scopes=(secrets,))
        put(team, "What does the merger bring us all?", scopes=(PUBLIC, secrets))
        put(team, "Am I on the list of redundancies?", thread=None)
        put(team, "What did nobody know about mergers?", level=Level.UNKNOWN)
    assert not [one for one in suggested(team, "sam") if "merger" in one or "redundancies" in one]
    found = suggested(team, "ada")  # a member of #secrets
    assert "When is the merger with Acme announced?" in found
    assert "Am I on the list of redundancies?" not in found


def test_the_channel_that_a_person_looks_at_comes_first(team):
    help_id = team.slack.workspace.channel("help").id
    mirror.channel_of(team.desk, help_id)
    put(team, "Who restarts the mailer?")
    ada = team.member("ada")
    channel = ada.open_dm()
    entities = [{"type": "slack#/types/channel_id", "value": help_id}]
    events.to_app(
        team.slack.workspace,
        team.slack.app,
        {
            "type": "app_context_changed", "user": ada.id, "channel": channel,
            "context": {"entities": entities},
        },
    )  # fmt: skip
    ada.wait_for(
        lambda: (
            [p["message"] for p in ada.suggested_prompts(channel)][:1]
            == ["Who restarts the mailer?"]
        )
    )


def test_a_title_fits_and_the_message_is_whole(team):
    long = (
        "How is the billing service deployed when the main branch is frozen and nobody is there? "
        * 3
    )
    put(team, long)
    put(team, long)
    mirror.channel_of(team.desk, team.slack.workspace.channel("help").id)
    assert (
        prompts.for_person(team.desk, team.member("ada").id, team.member("ada").open_dm())[0]
        == long.strip()
    )
