"""People and channels in; rights and quotable scopes out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.errors import SlackApiError

from bot.access import MEMBERSHIP_KEPT, Access, Person, Right, scopes
from lorekeeper.domain import PUBLIC, Channel, public_of
from lorekeeper.errors import NotAllowed
from lorekeeper.settings import Bot

CHANNELS = st.builds(
    Channel,
    id=st.sampled_from(["C1", "C2", "D1", "G1"]),
    name=st.just("x"),
    is_private=st.booleans(),
    is_shared=st.booleans(),
    is_direct=st.booleans(),
)
PEOPLE = st.builds(Person, id=st.just("U1"), is_member=st.booleans())
MEMBERSHIPS = st.frozensets(st.sampled_from(["C2", "C3", "G1"]))


@given(CHANNELS, PEOPLE, MEMBERSHIPS)
def test_what_others_read_quotes_nothing_that_is_private_elsewhere(channel, person, memberships):
    here = {PUBLIC, channel.id, public_of(channel.id)}
    assert scopes(channel, person, memberships, alone=False) <= here


@given(CHANNELS, PEOPLE, MEMBERSHIPS, st.booleans())
def test_outsiders_get_only_shared_channels(channel, person, memberships, alone):
    found = scopes(channel, person, memberships, alone=alone)
    if not person.is_member or (channel.is_shared and not alone):
        assert PUBLIC not in found
    if not person.is_member and not alone and not channel.is_shared:
        assert not found


@given(CHANNELS, MEMBERSHIPS)
def test_what_was_said_in_a_public_shared_channel_may_be_quoted_there(channel, memberships):
    guest = Person(id="U1", is_member=False)
    if channel.is_shared and channel.scope == PUBLIC:
        assert scopes(channel, guest, memberships, alone=False) == {public_of(channel.id)}


@given(CHANNELS, PEOPLE, MEMBERSHIPS, st.booleans())
def test_nobody_is_quoted_what_they_cannot_open(channel, person, memberships, alone):
    may_open = {PUBLIC, channel.id, public_of(channel.id), *memberships}
    assert scopes(channel, person, memberships, alone=alone) <= may_open


@given(CHANNELS, PEOPLE, MEMBERSHIPS)
def test_a_public_channels_id_is_never_a_scope(channel, person, memberships):
    if channel.scope == PUBLIC:
        assert channel.id not in scopes(channel, person, memberships - {channel.id}, alone=True)


class Slack:
    """As much of Slack as rights are asked from."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {
            "U1": {"team_id": "T1"},
            "U2": {"team_id": "T1"},
            "UGUEST": {"team_id": "T1", "is_restricted": True},
            "UAWAY": {"team_id": "T2"},
            "UGONE": {"team_id": "T1", "deleted": True},
            "UBOT": {"team_id": "T1", "is_bot": True},
        }
        self.groups = {"S1": ["U2"]}
        self.private = {"U1": ["C2", "C3"]}
        self.calls: list[str] = []

    def users_info(self, *, user: str) -> dict[str, Any]:
        self.calls.append(user)
        if user not in self.users:
            raise SlackApiError("no", {"ok": False, "error": "user_not_found"})
        return {"user": self.users[user]}

    def usergroups_users_list(self, *, usergroup: str) -> dict[str, Any]:
        return {"users": self.groups[usergroup]}

    def users_conversations(
        self, *, user: str, types: str, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        self.calls.append(f"conversations of {user}")
        there = self.private.get(user, [])
        at = int(cursor or 0)
        more = {"next_cursor": str(at + 1)} if at + 1 < len(there) else {}
        return {"channels": [{"id": c} for c in there[at : at + 1]], "response_metadata": more}


@pytest.fixture
def slack():
    return Slack()


def access(slack, now=lambda: 0.0, **roles):
    return Access(slack, Bot(**roles), team="T1", now=now)


@pytest.mark.parametrize("user", ["UGUEST", "UAWAY", "UGONE", "UBOT", "UNOBODY"])
@pytest.mark.parametrize("right", list(Right))
def test_outsiders_have_no_right_even_when_everybody_has(slack, user, right):
    assert not access(slack).may(user, right)
    with pytest.raises(NotAllowed, match="guests and people of other organisations"):
        access(slack).require(user, right)


def test_roles_that_nobody_was_named_for_fall_to_the_role_before(slack):
    rights = access(slack, reviewers=("U1",))
    assert all(rights.may("U1", right) for right in Right)
    assert rights.may("U2", Right.CAPTURE)
    assert not any(rights.may("U2", right) for right in (Right.REVIEW, Right.TRAIN, Right.PROMOTE))


def test_user_groups_are_looked_up(slack):
    rights = access(slack, reviewers=("S1",), promoters=("U1",))
    assert rights.may("U2", Right.TRAIN)
    assert not rights.may("U2", Right.PROMOTE)
    with pytest.raises(NotAllowed, match="<!subteam\\^S1>"):
        rights.require("U1", Right.REVIEW)


def test_memberships_are_read_to_the_last_page_and_asked_for_again_after_a_minute(slack):
    time = [0.0]
    rights = access(slack, now=lambda: time[0])
    assert rights.memberships("U1") == {"C2", "C3"}
    slack.private["U1"] = []
    assert rights.memberships("U1") == {"C2", "C3"}
    time[0] = MEMBERSHIP_KEPT
    assert rights.memberships("U1") == frozenset()


def test_leaving_a_channel_counts_at_once(slack):
    rights = access(slack)
    assert rights.may_see("U1", "C2")
    slack.private["U1"] = []
    rights.forget("U1")
    assert not rights.may_see("U1", "C2")


def test_an_answer_that_comes_back_after_a_change_is_not_remembered(slack):
    rights = access(slack)
    ask = slack.users_conversations

    def slow(**asked):
        found = ask(**asked)
        slack.private["U1"] = []
        rights.forget("U1")  # the event overtakes the answer
        return found

    slack.users_conversations = slow
    rights.memberships("U1")
    slack.users_conversations = ask
    assert rights.memberships("U1") == frozenset()
