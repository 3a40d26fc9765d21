"""A real slack_bolt app behind signed HTTP meets the people of the playground."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from slack_bolt import App
from slack_bolt.adapter.fastapi import SlackRequestHandler

from bot.playground.clocks import HandClock
from bot.playground.delivery import signed_headers
from bot.playground.records import Refused
from bot.playground.server import Playground


@dataclass
class Site:
    """Serves the app's request URL and remembers the headers that came."""

    app: App | None = None
    headers: list[dict[str, str]] = field(default_factory=list)
    refusals: list[Response] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    web = FastAPI()

    @web.post("/slack/events")
    async def events(request: Request) -> Response:
        site.headers.append(dict(request.headers))
        if site.refusals:
            return site.refusals.pop(0)
        assert site.app is not None
        response: Response = await SlackRequestHandler(site.app).handle(request)
        return response

    listening = socket.create_server(("127.0.0.1", 0))
    site.url = f"http://127.0.0.1:{listening.getsockname()[1]}/slack/events"
    server = uvicorn.Server(uvicorn.Config(web, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    yield site
    server.should_exit = True
    thread.join(60)


def test_a_mention_over_http_is_answered(slack: Playground, bolt: App, site: Site) -> None:
    @bolt.event("app_mention")
    def answer(event: dict[str, Any], say: Any) -> None:
        say(text="by HTTP", thread_ts=event["ts"])

    bolt.event("message")(lambda: None)
    site.app = bolt
    slack.send_by_http(site.url)
    ann = slack.member("ann")
    assert ann.wait_for_answer(ann.post("general", "@lore?")).text == "by HTTP"
    assert slack.delivery.wait_until_quiet()


def test_a_command_and_a_modal_work_over_http(slack: Playground, bolt: App, site: Site) -> None:
    @bolt.command("/lore")
    def lore(ack: Any, body: dict[str, Any], client: Any) -> None:
        ack(f"You want: {body['text']}")
        title = {"type": "plain_text", "text": "Sure?"}
        block = {"type": "section", "text": {"type": "mrkdwn", "text": "Sure?"}}
        view = {"type": "modal", "callback_id": "sure", "title": title, "submit": title}
        client.views_open(trigger_id=body["trigger_id"], view=view | {"blocks": [block]})

    bolt.view("sure")(lambda ack: ack())
    site.app = bolt
    slack.send_by_http(site.url)
    ann = slack.member("ann")
    ann.command("/lore a & b", "general")
    assert ann.wait_for_message("general", lambda m: m.is_ephemeral).text == "You want: a &amp; b"
    assert ann.fill_and_submit(ann.wait_for_modal(), {}) == {}
    assert ann.modal() is None


def test_a_failed_delivery_is_retried_with_its_number_and_reason(
    slack: Playground, bolt: App, site: Site
) -> None:
    heard: list[str] = []
    bolt.event("message")(lambda body: heard.append(body["event_id"]))
    site.app = bolt
    slack.send_by_http(site.url)
    slack.delivery.retry_delays = (0.0, 0.0, 0.0)
    site.refusals = [Response(status_code=500), Response(status_code=502)]
    slack.member("ann").post("general", "hello")
    event_id = slack.workspace.events[-1]["event_id"]
    assert slack.delivery.wait_for_ack(event_id)
    assert slack.delivery.sent[event_id].attempts == ["http_error", "http_error", "ok"]
    tries = [headers.get("x-slack-retry-num") for headers in site.headers[1:]]
    assert tries == [None, "1", "2"]
    assert site.headers[-1]["x-slack-retry-reason"] == "http_error"
    assert heard == [event_id]


def test_an_app_can_forbid_retries(slack: Playground, bolt: App, site: Site) -> None:
    site.app = bolt
    slack.send_by_http(site.url)
    slack.delivery.retry_delays = (0.0,)
    site.refusals = [Response(status_code=503, headers={"X-Slack-No-Retry": "1"})]
    slack.member("ann").post("general", "hello")
    delivered = slack.delivery.sent[slack.workspace.events[-1]["event_id"]]
    assert slack.delivery.wait_for(lambda: bool(delivered.attempts))
    assert len(site.headers) == 2
    assert not delivered.acked


def test_a_url_that_does_not_answer_the_challenge_is_not_taken(
    slack: Playground, bolt: App, site: Site
) -> None:
    site.app = bolt
    site.refusals = [Response("no", status_code=200)]
    with pytest.raises(Refused, match="url_verification_failed"):
        slack.send_by_http(site.url)
    assert slack.app.events_url is None


def test_a_wrong_signing_secret_is_refused_by_the_app(
    slack: Playground, bolt: App, site: Site
) -> None:
    site.app = bolt
    slack.send_by_http(site.url)
    slack.app.signing_secret = "not the app's"
    slack.delivery.retry_delays = ()
    slack.member("ann").post("general", "hello")
    delivered = slack.delivery.sent[slack.workspace.events[-1]["event_id"]]
    assert slack.delivery.wait_for(lambda: bool(delivered.attempts))
    assert delivered.attempts == ["http_error"]


def test_the_signature_is_slacks_v0(clock: HandClock) -> None:
    from slack_sdk.signature import SignatureVerifier

    headers = signed_headers("secret", b'{"a": 1}', clock)
    verifier = SignatureVerifier("secret", clock)  # type: ignore[arg-type]
    assert verifier.is_valid_request(b'{"a": 1}', headers)
    assert not verifier.is_valid_request(b'{"a": 2}', headers)
