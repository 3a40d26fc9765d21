"""A real slack_bolt app over Socket Mode meets the people of the playground."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler

from bot.playground.records import Refused
from bot.playground.server import Playground

Connect = Callable[[App], SocketModeHandler]


def test_a_mention_is_answered_in_its_thread(
    slack: Playground, bolt: App, connect: Connect
) -> None:
    @bolt.event("app_mention")
    def answer(event: dict[str, Any], say: Any) -> None:
        say(text=f"You said: {event['text']}", thread_ts=event["ts"])

    bolt.event("message")(lambda: None)
    connect(bolt)
    ann = slack.member("ann")
    question = ann.post("general", "@lore is 1 < 2 & 3?")
    reply = ann.wait_for_answer(question)
    assert reply.text == f"You said: <@{slack.bot_user}> is 1 &lt; 2 &amp; 3?"
    assert reply.user == slack.bot_user


def test_a_mention_where_the_app_is_not_makes_no_event(slack: Playground) -> None:
    slack.member("ann").post("help", "@lore hello?")
    assert not slack.workspace.events


def test_a_mention_arrives_as_message_and_as_app_mention(slack: Playground) -> None:
    slack.member("ann").post("general", "@lore hello?")
    kinds = [envelope["event"]["type"] for envelope in slack.workspace.events]
    assert kinds == ["message", "app_mention"]


def test_only_subscribed_events_are_sent(slack: Playground) -> None:
    slack.workspace.archive("general")
    slack.workspace.rename("help", "helpdesk")
    assert not slack.workspace.events


def test_a_reaction_carries_the_author_of_the_message(
    slack: Playground, bolt: App, connect: Connect
) -> None:
    heard: list[dict[str, Any]] = []
    done = threading.Event()

    @bolt.event("reaction_added")
    def reacted(event: dict[str, Any]) -> None:
        heard.append(event)
        done.set()

    bolt.event("message")(lambda: None)
    connect(bolt)
    ann, bob = slack.member("ann"), slack.member("bob")
    message = ann.post("general", "Use make staging-db")
    bob.react(message, "bulb")
    assert done.wait(60)
    assert heard[0]["reaction"] == "bulb"
    assert heard[0]["user"] == bob.id
    assert heard[0]["item_user"] == ann.id
    assert heard[0]["item"]["ts"] == message.ts
    assert bob.again(message).reactions == {"bulb": [bob.id]}


def test_a_resent_event_keeps_its_id_and_says_it_is_a_retry(
    slack: Playground, bolt: App, connect: Connect
) -> None:
    heard: list[tuple[str, str | None]] = []
    twice = threading.Event()

    @bolt.event("message")
    def on_message(body: dict[str, Any], request: Any) -> None:
        retry = request.headers.get("x-slack-retry-num")
        heard.append((body["event_id"], retry[0] if retry else None))
        if len(heard) == 2:
            twice.set()

    connect(bolt)
    slack.member("ann").post("general", "only once, please")
    event_id = slack.workspace.events[-1]["event_id"]
    assert slack.delivery.wait_for_ack(event_id)
    slack.delivery.resend(event_id)
    assert twice.wait(60)
    assert [one for one, _ in heard] == [event_id, event_id]
    assert heard[1][1] == "1"


def test_an_event_that_nobody_acknowledges_is_sent_again(slack: Playground) -> None:
    slack.delivery.ack_seconds = 0.02
    slack.delivery.retry_delays = (0.0, 0.01)
    slack.member("ann").post("general", "anybody there?")
    delivered = slack.delivery.sent[slack.workspace.events[-1]["event_id"]]
    slack.member("ann").wait_for(lambda: True)
    assert slack.delivery.wait_for(lambda: len(delivered.attempts) == 3)
    assert delivered.attempts == ["http_timeout"] * 3
    assert not delivered.acked


def test_after_a_disconnect_the_app_connects_anew_and_still_hears(
    slack: Playground, bolt: App, connect: Connect
) -> None:
    @bolt.event("app_mention")
    def answer(event: dict[str, Any], say: Any) -> None:
        say(text="still here", thread_ts=event["ts"])

    bolt.event("message")(lambda: None)
    connect(bolt)
    slack.sockets.disconnect(slack.app, "warning")
    assert slack.sockets.wait_for_connection(slack.app, at_least=1)
    slack.sockets.disconnect(slack.app, "refresh_requested")
    assert slack.sockets.wait_for_connection(slack.app)
    ann = slack.member("ann")
    assert ann.wait_for_answer(ann.post("general", "@lore?")).text == "still here"


def test_a_button_press_reaches_the_app_and_its_response_url_replaces_the_message(
    slack: Playground, bolt: App, connect: Connect
) -> None:
    @bolt.action("vote")
    def vote(ack: Any, body: dict[str, Any], respond: Any) -> None:
        ack()
        respond(text=f"voted {body['actions'][0]['value']}", replace_original=True)

    bolt.event("message")(lambda: None)
    connect(bolt)
    button = {"type": "button", "action_id": "vote", "value": "yes"}
    button["text"] = {"type": "plain_text", "text": "Yes"}  # type: ignore[assignment]
    bolt.client.chat_postMessage(
        channel=slack.workspace.channel("general").id,
        text="Vote",
        blocks=[{"type": "actions", "elements": [button]}],
    )
    bob = slack.member("bob")
    ballot = bob.wait_for_message("general", lambda m: "vote" in m.actions)
    bob.press(ballot, "vote")
    voted = bob.wait_for_message("general", lambda m: m.text == "voted yes")
    assert voted.ts == ballot.ts
    assert voted.blocks == []


def test_feedback_buttons_send_the_value_of_the_chosen_side(
    slack: Playground, bolt: App, connect: Connect
) -> None:
    heard: list[dict[str, Any]] = []

    @bolt.action("feedback")
    def feedback(ack: Any, body: dict[str, Any]) -> None:
        heard.append(body["actions"][0])
        ack()

    bolt.event("message")(lambda: None)
    connect(bolt)
    sides = {
        f"{side}_button": {"text": {"type": "plain_text", "text": side}, "value": f"{side}!"}
        for side in ("positive", "negative")
    }
    element = {"type": "feedback_buttons", "action_id": "feedback"} | sides
    bolt.client.chat_postMessage(
        channel=slack.workspace.channel("general").id,
        text="Good?",
        blocks=[{"type": "context_actions", "elements": [element]}],
    )
    bob = slack.member("bob")
    message = bob.wait_for_message("general", lambda m: "feedback" in m.actions)
    bob.press(message, "feedback", "negative")
    assert (heard[0]["type"], heard[0]["value"]) == ("feedback_buttons", "negative!")


def test_a_message_shortcut_opens_a_modal_whose_errors_come_back_and_then_is_taken(
    slack: Playground, bolt: App, connect: Connect
) -> None:
    kept: list[dict[str, Any]] = []

    @bolt.shortcut("keep")
    def keep(ack: Any, body: dict[str, Any], client: Any) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=_modal(body["message"]["text"]))

    @bolt.view("keep_it")
    def kept_it(ack: Any, view: dict[str, Any]) -> None:
        values = view["state"]["values"]
        if values["answer"]["text"]["value"] == "short":
            ack(response_action="errors", errors={"answer": "Too short"})
            return
        kept.append(values)
        ack()

    bolt.event("message")(lambda: None)
    connect(bolt)
    ann = slack.member("ann")
    ann.shortcut("keep", ann.post("general", "The key is in the drawer"))
    modal = ann.wait_for_modal()
    assert modal["blocks"][0]["element"]["initial_value"] == "The key is in the drawer"
    assert ann.fill_and_submit(modal, {"answer": ""}) == {
        "answer": "Please complete this required field."
    }
    assert ann.fill_and_submit(modal, {"answer": "short"}) == {"answer": "Too short"}
    assert ann.modal() is not None
    assert ann.fill_and_submit(modal, {"text": "long enough", "tags": ["ops"]}) == {}
    assert ann.modal() is None
    assert kept[0]["answer"]["text"] == {"type": "plain_text_input", "value": "long enough"}
    chosen = kept[0]["labels"]["tags"]["selected_options"]
    assert [option["value"] for option in chosen] == ["ops"]


def test_a_submission_can_update_push_and_clear(
    slack: Playground, bolt: App, connect: Connect
) -> None:
    actions = iter(["update", "push", "clear"])

    @bolt.shortcut("ask")
    def ask(ack: Any, body: dict[str, Any], client: Any) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=_modal("first"))

    @bolt.view("keep_it")
    def submitted(ack: Any) -> None:
        action = next(actions)
        if action == "clear":
            ack(response_action="clear")
        else:
            ack(response_action=action, view=_modal(action))

    connect(bolt)
    ann = slack.member("ann")
    ann.shortcut("ask")
    seen = []
    for _ in range(3):
        modal = ann.wait_for_modal()
        seen.append((modal["blocks"][0]["element"]["initial_value"], modal["previous_view_id"]))
        ann.fill_and_submit(modal, {})
    assert [text for text, _ in seen] == ["first", "update", "push"]
    assert seen[2][1] is not None
    assert ann.modal() is None


def test_an_app_hears_of_a_modal_that_was_closed_if_it_asked_to(
    slack: Playground, bolt: App, connect: Connect
) -> None:
    closed: list[str] = []

    @bolt.shortcut("ask")
    def ask(ack: Any, body: dict[str, Any], client: Any) -> None:
        ack()
        view = _modal("first") | {"notify_on_close": True}
        client.views_open(trigger_id=body["trigger_id"], view=view)

    @bolt.view_closed("keep_it")
    def on_close(ack: Any, view: dict[str, Any]) -> None:
        ack()
        closed.append(view["callback_id"])

    connect(bolt)
    ann = slack.member("ann")
    ann.shortcut("ask")
    ann.close(ann.wait_for_modal())
    assert closed == ["keep_it"]
    assert ann.modal() is None


def test_a_reply_that_is_also_sent_to_the_channel_is_a_broadcast(slack: Playground) -> None:
    ann = slack.member("ann")
    root = ann.post("general", "question")
    slack.acts.do(
        ann.id,
        "post",
        {"channel": "general", "text": "for all", "thread_ts": root.ts, "broadcast": True},
    )
    event = slack.workspace.events[-1]["event"]
    assert (event["subtype"], event["root"]["ts"]) == ("thread_broadcast", root.ts)


def test_a_renamed_channel_is_told(slack: Playground) -> None:
    slack.workspace.rename("general", "lobby")
    event = slack.workspace.events[-1]["event"]
    assert (event["type"], event["channel"]["name"]) == ("channel_rename", "lobby")


def test_opening_the_messages_tab_is_told_with_its_channel(slack: Playground) -> None:
    room = slack.member("ann").open_dm()
    event = slack.workspace.events[-1]["event"]
    assert (event["type"], event["tab"], event["channel"]) == ("app_home_opened", "messages", room)


def test_a_command_answers_only_to_the_one_who_typed_it(
    slack: Playground, bolt: App, connect: Connect
) -> None:
    @bolt.command("/lore")
    def lore(ack: Any, command: dict[str, Any]) -> None:
        ack(f"You want: {command['text']}")

    connect(bolt)
    ann, bob = slack.member("ann"), slack.member("bob")
    ann.command("/lore retrain", "general")
    answer = ann.wait_for_message("general", lambda m: m.is_ephemeral)
    assert answer.text == "You want: retrain"
    assert not any(message.is_ephemeral for message in bob.sees("general"))


def test_a_command_that_no_app_has_is_refused(slack: Playground) -> None:
    with pytest.raises(Refused, match="unknown_command"):
        slack.member("ann").command("/nope", "general")


def test_opening_home_shows_what_the_app_publishes(
    slack: Playground, bolt: App, connect: Connect
) -> None:
    @bolt.event("app_home_opened")
    def opened(event: dict[str, Any], client: Any) -> None:
        assert event["tab"] == "home"
        block = {"type": "header", "text": {"type": "plain_text", "text": "Hello"}}
        client.views_publish(user_id=event["user"], view={"type": "home", "blocks": [block]})

    connect(bolt)
    home = slack.member("ann").open_home()
    assert home is not None
    assert home["blocks"][0]["text"]["text"] == "Hello"


def test_an_app_that_does_not_acknowledge_a_press_in_time_is_reported(slack: Playground) -> None:
    slack.delivery.ack_seconds = 0.05
    with pytest.raises(Refused, match="operation_timeout"):
        slack.member("ann").command("/lore", "general")


def test_a_streamed_answer_grows_and_ends(slack: Playground, bolt: App, connect: Connect) -> None:
    halfway, go_on = threading.Event(), threading.Event()

    @bolt.event("app_mention")
    def answer(say_stream: Any) -> None:
        stream = say_stream(buffer_size=1)
        stream.append(markdown_text="Half")
        halfway.set()
        go_on.wait(60)
        stream.append(markdown_text=" and **whole**")
        stream.stop(blocks=[{"type": "divider"}])

    bolt.event("message")(lambda: None)
    connect(bolt)
    ann = slack.member("ann")
    question = ann.post("general", "@lore go")
    assert halfway.wait(60)
    half = ann.wait_for_message("general", lambda m: m.streaming == "in_progress")
    assert (half.text, half.thread_ts) == ("Half", question.ts)
    go_on.set()
    whole = ann.wait_for_answer(question)
    assert (whole.ts, whole.text) == (half.ts, "Half and **whole**")
    assert whole.blocks[-1]["type"] == "divider"
    assert not whole.edited


def test_an_eleventh_connection_is_refused() -> None:
    import asyncio

    from bot.playground.sockets import Connection, Sockets

    loop = asyncio.new_event_loop()
    sockets = Sockets()
    opened = [sockets.opened(Connection(app_id="A1", loop=loop)) for _ in range(11)]
    loop.close()
    assert opened == [True] * 10 + [False]


def _modal(text: str) -> dict[str, Any]:
    options = [
        {"text": {"type": "plain_text", "text": name}, "value": name} for name in ("ops", "data")
    ]
    return {
        "type": "modal",
        "callback_id": "keep_it",
        "title": {"type": "plain_text", "text": "Keep this"},
        "submit": {"type": "plain_text", "text": "Keep"},
        "blocks": [
            {
                "type": "input",
                "block_id": "answer",
                "label": {"type": "plain_text", "text": "Answer"},
                "element": {
                    "type": "plain_text_input",
                    "action_id": "text",
                    "multiline": True,
                    "initial_value": text,
                },
            },
            {
                "type": "input",
                "block_id": "labels",
                "optional": True,
                "label": {"type": "plain_text", "text": "Tags"},
                "element": {"type": "checkboxes", "action_id": "tags", "options": options},
            },
        ],
    }
