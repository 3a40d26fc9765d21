"""What a Slack user may be quoted is asked from Slack, by the rules of a direct message."""

from __future__ import annotations

import pytest

from bot.seen import scopes_of
from lorekeeper.domain import PUBLIC
from lorekeeper.doors import scopes_seen_by
from lorekeeper.errors import BadInput, NotFound
from lorekeeper.settings import Settings
from tests.bot.conftest import Team


def scopes(team: Team, name: str) -> frozenset[str]:
    return scopes_of(team.member(name).id, team.desk.settings, team.engine)


def test_a_member_sees_the_public_and_their_own_private_channels(team: Team) -> None:
    secrets = team.slack.workspace.channel("secrets").id
    everyone = {name: scopes(team, name) for name in ("ada", "grace", "rita")}
    assert all(PUBLIC in seen for seen in everyone.values())
    members = team.slack.workspace.channel("secrets").members
    for name, seen in everyone.items():
        assert (secrets in seen) == (team.member(name).id in members)


def test_a_guest_sees_nothing_that_is_not_shared(team: Team) -> None:
    assert PUBLIC not in scopes(team, "gus")


def test_the_door_from_below_leads_here(team: Team) -> None:
    ada = team.member("ada").id
    assert scopes_seen_by(ada, team.desk.settings, team.engine) == scopes(team, "ada")


def test_nobody_is_told_apart_from_somebody_who_sees_nothing(team: Team) -> None:
    with pytest.raises(NotFound, match="U404"):
        scopes_of("U404", team.desk.settings, team.engine)


def test_without_a_token_nobody_can_be_asked(team: Team) -> None:
    with pytest.raises(BadInput, match="token"):
        scopes_of("U1", Settings(store=team.desk.settings.store), team.engine)
