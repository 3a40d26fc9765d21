"""Members share, change and delete files and pin messages; the app hears of it and reads them as in Slack."""

from __future__ import annotations

import httpx2
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.playground.records import Json, Refused
from bot.playground.server import Playground


def told(slack: Playground, kind: str) -> list[Json]:
    return [e["event"] for e in slack.workspace.events if e["event"]["type"] == kind]


def test_a_shared_file_is_a_message_and_two_events(slack: Playground) -> None:
    message = slack.member("ann").share("general", "a.md", b"# A", "read this")
    assert message.text == "read this"
    (event,) = told(slack, "file_shared")
    assert event["file_id"] == event["file"]["id"] == message.files[0]
    assert event["channel_id"] == slack.workspace.channel("general").id
    assert event["user_id"] == slack.member("ann").id
    assert told(slack, "message")[-1]["subtype"] == "file_share"


def test_its_bytes_are_for_tokens_that_may_read_it(slack: Playground, client: WebClient) -> None:
    message = slack.member("ann").share("general", "a.md", b"# A")
    file: Json = client.files_info(file=message.files[0])["file"]
    url, bearer = file["url_private_download"], {"Authorization": f"Bearer {slack.bot_token}"}
    assert httpx2.get(url, headers=bearer).content == b"# A"
    for headers in ({}, {"Authorization": "Bearer xoxb-wrong"}):
        assert httpx2.get(url, headers=headers).status_code == 302
    assert file["channels"] == [slack.workspace.channel("general").id]
    assert (file["groups"], file["is_public"], file["filetype"]) == ([], True, "md")


def test_a_file_in_a_room_without_the_app_is_not_there_for_it(
    slack: Playground, client: WebClient
) -> None:
    slack.workspace.add_channel("den", private=True, members=["ann"])
    message = slack.member("ann").share("den", "a.md", b"# A")
    assert told(slack, "file_shared") == []
    with pytest.raises(SlackApiError, match="file_not_found"):
        client.files_info(file=message.files[0])


def test_a_canvas_is_html_that_changes(slack: Playground, client: WebClient) -> None:
    ann = slack.member("ann")
    message = ann.share("general", "Plan", b"<h1>Plan</h1>", canvas=True)
    ann.change_file(message.files[0], b"<h1>New</h1>")
    assert told(slack, "file_change")[0]["file_id"] == message.files[0]
    file: Json = client.files_info(file=message.files[0])["file"]
    assert (file["filetype"], file["mimetype"]) == ("quip", "application/vnd.slack-docs")
    bearer = {"Authorization": f"Bearer {slack.bot_token}"}
    assert httpx2.get(file["url_private"], headers=bearer).content == b"<h1>New</h1>"


def test_a_deleted_file_is_gone_and_its_message_stays(slack: Playground, client: WebClient) -> None:
    ann = slack.member("ann")
    message = ann.share("general", "a.md", b"# A")
    with pytest.raises(Refused, match="cant_delete_file"):
        slack.member("bob").delete_file(message.files[0])
    ann.delete_file(message.files[0])
    assert told(slack, "file_deleted")[0]["file_id"] == message.files[0]
    assert ann.again(message).raw["files"] == [{"id": message.files[0], "mode": "tombstone"}]
    with pytest.raises(SlackApiError, match="file_not_found"):
        client.files_info(file=message.files[0])


def test_a_deleted_message_takes_its_share_back(slack: Playground, client: WebClient) -> None:
    ann = slack.member("ann")
    first = ann.share("general", "a.md", b"# A")
    again = ann.share_again(first.files[0], "general")
    ann.delete(first)
    assert told(slack, "file_unshared") == []  # another message shares it there still
    ann.delete(again)
    assert told(slack, "file_unshared")[0]["channel_id"] == slack.workspace.channel("general").id
    with pytest.raises(SlackApiError, match="file_not_found"):
        client.files_info(file=first.files[0])


def test_pins_are_told_and_stand_in_history(slack: Playground, client: WebClient) -> None:
    ann, room = slack.member("ann"), slack.workspace.channel("general").id
    message = ann.post("general", "keep this")
    ann.pin(message)
    (event,) = told(slack, "pin_added")
    assert event["item"]["message"]["text"] == "keep this"
    assert (event["item"]["channel"], event["channel_id"]) == (room, room)
    history: Json = client.conversations_history(channel=room)["messages"][0]
    assert history["pinned_to"] == [room]
    with pytest.raises(Refused, match="already_pinned"):
        ann.pin(message)
    ann.unpin(message)
    assert told(slack, "pin_removed")[0]["has_pins"] is False
    with pytest.raises(Refused, match="no_pin"):
        ann.unpin(message)
