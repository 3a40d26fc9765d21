"""A response_url is good for five answers in half an hour."""

from __future__ import annotations

import pytest
from slack_sdk.webhook import WebhookClient

from bot.playground.clocks import HandClock
from bot.playground.server import Playground


@pytest.fixture
def url(still: Playground) -> str:
    ann = still.workspace.user("ann").id
    room = still.workspace.channel("general").id
    return still.acts.interactions.responses.new(still.app, ann, room)


def test_five_answers_and_no_more(still: Playground, url: str) -> None:
    hook = WebhookClient(url)
    codes = [hook.send(text=f"answer {n}").status_code for n in range(6)]
    assert codes == [200] * 5 + [404]
    assert len(still.member("ann").sees("general")) == 5
    assert still.member("bob").sees("general") == []


def test_half_an_hour_and_no_longer(url: str, clock: HandClock) -> None:
    clock.advance(30 * 60 + 1)
    assert WebhookClient(url).send(text="late").status_code == 404


def test_an_answer_for_everybody_is_a_message_of_the_app(still: Playground, url: str) -> None:
    WebhookClient(url).send(text="for all", response_type="in_channel")
    seen = still.member("bob").sees("general")[0]
    assert (seen.text, seen.user) == ("for all", still.bot_user)


def test_an_ephemeral_message_is_replaced_and_taken_away(still: Playground) -> None:
    ann = still.member("ann")
    room = still.workspace.channel("general").id
    whispered = still.workspace.whispers.add(room, ann.id, "draft", app_id=still.app.id)
    new = still.acts.interactions.responses.new
    hook = WebhookClient(new(still.app, ann.id, room, message_ts=whispered["ts"]))
    hook.send(text="final", replace_original=True)
    assert [seen.text for seen in ann.sees("general")] == ["final"]
    hook.send(delete_original=True)
    assert ann.sees("general") == []


def test_nonsense_is_refused(url: str) -> None:
    assert WebhookClient(url).send_dict({}).status_code == 400
    assert WebhookClient(url + "x").send(text="x").status_code == 404
