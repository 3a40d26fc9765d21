"""A member in this process and one at the page's own API see and may the same."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bot.playground.member import Member, NothingLikeIt
from bot.playground.records import Refused
from bot.playground.seats import OverHttp
from bot.playground.server import Playground


@pytest.fixture(params=["in process", "over http"])
def ann(slack: Playground, request: pytest.FixtureRequest) -> Iterator[Member]:
    if request.param == "in process":
        yield slack.member("ann")
        return
    seat = OverHttp(slack.page_url, slack.workspace.user("ann").id)
    yield Member(seat)
    seat.close()


def test_a_member_writes_edits_reacts_and_deletes(ann: Member) -> None:
    message = ann.post("general", "helo @bob")
    assert ann.edit(message, "hello @bob").edited
    ann.react(message, "wave")
    assert ann.again(message).reactions == {"wave": [ann.id]}
    ann.unreact(message, "wave")
    reply = ann.reply(message, "and again")
    assert [seen.ts for seen in ann.thread(message)] == [message.ts, reply.ts]
    ann.delete(reply)
    ann.delete(message)
    assert ann.sees("general") == []


def test_a_member_may_not_touch_what_others_wrote(slack: Playground, ann: Member) -> None:
    bobs = slack.member("bob").post("general", "mine")
    with pytest.raises(Refused, match="cant_edit_message"):
        ann.edit(bobs, "yours")
    with pytest.raises(Refused, match="cant_delete_message"):
        slack.member("bob").delete(ann.post("general", "hers"))


def test_a_guest_sees_only_channels_he_is_in(slack: Playground) -> None:
    gus = slack.member("gus")
    assert [channel["name"] for channel in gus.channels()] == ["help"]
    with pytest.raises(Refused, match="channel_not_found"):
        gus.sees("general")
    with pytest.raises(Refused, match="channel_not_found"):
        gus.join("general")


def test_writing_needs_joining_first(slack: Playground) -> None:
    slack.workspace.add_channel("open", members=["ann"])
    bob = slack.member("bob")
    with pytest.raises(Refused, match="not_in_channel"):
        bob.post("open", "hi")
    bob.join("open")
    assert bob.post("open", "hi").text == "hi"


def test_waiting_in_vain_says_what_was_seen_instead(ann: Member) -> None:
    ann.post("general", "only this")
    with pytest.raises(NothingLikeIt, match="only this"):
        ann.wait_for_message("general", lambda m: m.text == "never said", timeout=0.05)


def test_waiting_ends_soon_when_only_the_apps_own_state_changes(ann: Member) -> None:
    looks: list[float] = []

    def third_look() -> bool:
        looks.append(time.monotonic())
        return len(looks) == 3

    ann.wait_for(third_look, timeout=60)
    assert looks[-1] - looks[0] < 30


def test_an_action_that_is_not_there_is_refused_by_name(slack: Playground, ann: Member) -> None:
    message = ann.post("general", "no buttons")
    with pytest.raises(Refused, match="action_not_found"):
        ann.press(message, "approve")


def test_an_unknown_act_or_argument_is_refused(slack: Playground) -> None:
    with pytest.raises(Refused, match="unknown_act"):
        slack.acts.do("ann", "fly", {})
    with pytest.raises(Refused, match="invalid_arguments"):
        slack.acts.do("ann", "post", {"where": "general"})


def test_said_reads_everything_in_the_blocks(slack: Playground, ann: Member) -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Title"}},
        {"type": "markdown", "text": "Body"},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "Source"}]},
    ]
    slack.workspace.post("general", "lore", "fallback", blocks=blocks)
    assert ann.sees("general")[0].said == "Title\nBody\nSource"
