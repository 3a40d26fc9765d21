"""The bot as it is started in; what it does with what Slack sends, once and in order, out."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from urllib.error import HTTPError

import pytest
from slack_bolt import BoltRequest

from bot.app import build, lane_of, running, worker
from bot.demo.stage import free_port
from bot.desk import set_up
from bot.http import serving
from lorekeeper.errors import BadInput
from lorekeeper.settings import Settings, Slack
from lorekeeper.store import events, messages, reading


def test_the_process_never_imports_torch():
    code = (
        "import sys, bot.app, bot.cli, bot.commands, builder.retrain;"
        "heavy = {'torch', 'transformers', 'faiss', 'sentence_transformers'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_event_that_slack_sends_again_is_handled_once(team):
    ada = team.member("ada")
    question = ada.post("help", "How do I rotate the keys?")
    answer = team.member("grace").reply(question, "Run `vault rotate`.")
    ada.react(answer, "bookmark")
    team.wait_for_pair()
    resent = [
        envelope
        for envelope in team.slack.workspace.events
        if envelope["event"]["type"] == "reaction_added"
    ]
    for envelope in resent * 2:
        team.slack.workspace.deliver(team.slack.app, envelope)
    last = ada.post("help", "something else")
    team.until(lambda: stored(team, last), "the last message in the store")
    notes = [m for m in ada.sees("help") if m.is_ephemeral]
    assert len(notes) == 1
    assert len(team.pairs()) == 1


def test_an_error_is_told_with_an_id_and_recorded(team, monkeypatch):
    def break_(*_args, **_more):
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr("bot.capture.threads.excerpt", break_)
    ada = team.member("ada")
    message = ada.post("help", "So.")
    ada.react(message, "bookmark")
    told = ada.wait_for_message("help", lambda m: m.is_ephemeral and "went wrong" in m.said)
    assert team.until(lambda: failures(team)).removeprefix("error ") in told.said


def test_events_that_waited_while_the_bot_was_down_are_worked_on(slack, config, engine):
    desk = set_up(config, engine)
    app = build(desk)  # stores, but nobody works
    message = slack.workspace.post("help", "ada", "said while it was down")
    envelope = {
        "type": "event_callback",
        "event_id": "Ev-late",
        "event": message | {"channel": slack.workspace.channel("help").id},
    }
    response = app.dispatch(BoltRequest(mode="socket_mode", body=envelope))
    assert response.status == 200
    with reading(engine) as db:
        assert events.unfinished(db) > 0
        assert messages.get(db, slack.workspace.channel("help").id, message["ts"]) is None
    with running(config, engine) as again:
        poll(lambda: _has(again.engine, slack, message["ts"]))


def test_without_tokens_it_says_which_one_is_missing(engine):
    with pytest.raises(BadInput, match="no bot token"):
        set_up(Settings(), engine)


def test_a_refused_token_is_said(slack, engine):
    settings = Settings(slack=Slack(bot_token="xoxb-wrong", api_url=slack.api_url))
    with pytest.raises(BadInput, match="refuses the bot token"):
        set_up(settings, engine)


def test_signed_requests_are_taken_over_http_and_others_are_not(slack, config, engine):
    signed = config.model_copy(
        update={
            "slack": Slack(
                bot_token=slack.bot_token,
                signing_secret=slack.signing_secret,
                api_url=slack.api_url,
                mode="http",
                port=free_port(),
            )
        }
    )
    desk = set_up(signed, engine)
    app = build(desk)
    desk.inbox.start(worker(app, desk))
    url = f"http://127.0.0.1:{signed.slack.port}/slack/events"
    with serving(app, host="127.0.0.1", port=signed.slack.port):
        slack.send_by_http(url)
        ada = slack.member("ada")
        said = ada.post("help", "over HTTP")
        poll(lambda: _has(engine, slack, said.ts))
        forged = urllib.request.Request(
            url, data=json.dumps({"type": "event_callback"}).encode(), method="POST"
        )
        with pytest.raises(HTTPError, match="401"):
            urllib.request.urlopen(forged)
    desk.inbox.stop()


def test_what_happens_in_one_channel_is_one_lane():
    assert lane_of({"channel": "C1"}) == "C1"
    assert lane_of({"item": {"channel": "C1"}}) == "C1"
    assert lane_of({"channel": {"id": "C1"}}) == "C1"
    assert lane_of({"type": "user_change"}) is None


def poll(look):
    end = time.monotonic() + 10
    while not look():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


def failures(team):
    with reading(team.engine) as db:
        return db.exec_driver_sql("SELECT error FROM events WHERE state = 'failed'").scalar()


def stored(team, message):
    return _has(team.engine, team.slack, message.ts)


def _has(engine, slack, ts):
    with reading(engine) as db:
        return messages.get(db, slack.workspace.channel("help").id, ts)
