"""The state itself: time stamps, loading of history, who is told."""

from __future__ import annotations

import threading

import pytest

from bot.playground.clocks import HandClock
from bot.playground.manifest import install
from bot.playground.records import Refused
from bot.playground.workspace import Workspace


@pytest.fixture
def workspace(clock: HandClock) -> Workspace:
    workspace = Workspace("Fjord & Co", clock=clock)
    workspace.add_user("ann")
    workspace.add_user("bob")
    workspace.add_channel("general", members=["ann", "bob"])
    install(workspace)
    workspace.channel("general").members.append(workspace.user("lorekeeper").id)
    return workspace


def test_every_ts_is_unique_and_later_even_when_the_clock_stands_still(
    workspace: Workspace,
) -> None:
    stamps = [workspace.new_ts() for _ in range(100)]
    assert stamps == sorted(set(stamps))
    assert all(len(ts.split(".")[1]) == 6 for ts in stamps)


def test_time_stamps_stay_unique_among_threads(workspace: Workspace) -> None:
    stamps: list[str] = []

    def post() -> None:
        stamps.extend(workspace.post("general", "ann", "x")["ts"] for _ in range(50))

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(stamps)) == 200


def test_history_is_loaded_with_its_own_time_and_without_events(workspace: Workspace) -> None:
    posted = workspace.post("general", "ann", "long ago", ts="1500000000.000200", silent=True)
    workspace.react("general", posted["ts"], "bob", "bulb", silent=True)
    assert posted["ts"] == "1500000000.000200"
    assert not workspace.events


def test_a_change_wakes_those_who_wait(workspace: Workspace) -> None:
    before = workspace.version
    woken: list[int] = []
    waiter = threading.Thread(target=lambda: woken.append(workspace.wait_for_change(before, 10)))
    waiter.start()
    workspace.post("general", "ann", "wake up")
    waiter.join(60)
    assert woken
    assert woken[0] > before


def test_leaving_is_told_to_the_app_that_leaves(workspace: Workspace) -> None:
    workspace.leave("general", "lorekeeper")
    assert workspace.events[-1]["event"]["type"] == "member_left_channel"
    workspace.post("general", "ann", "gone?")
    assert workspace.events[-1]["event"]["type"] == "member_left_channel"


def test_the_same_two_people_have_one_direct_message(workspace: Workspace) -> None:
    one = workspace.direct("ann", "bob")
    assert workspace.direct("bob", "ann") is one
    assert one.kind == "im"
    assert workspace.direct("ann", "bob", "lorekeeper").kind == "mpim"


def test_event_ids_are_unique_and_say_who_is_told(workspace: Workspace) -> None:
    for _ in range(3):
        workspace.post("general", "ann", "x")
    assert len({envelope["event_id"] for envelope in workspace.events}) == 3
    envelope = workspace.events[0]
    assert envelope["team_id"] == workspace.team_id
    assert envelope["authorizations"][0]["user_id"] == workspace.user("lorekeeper").id


def test_a_shared_channel_is_marked_in_the_envelope(workspace: Workspace) -> None:
    workspace.add_channel("partners", members=["ann", "lorekeeper"], ext_shared=True)
    workspace.post("partners", "ann", "hello")
    assert workspace.events[-1]["is_ext_shared_channel"] is True


def test_unknown_names_are_refused(workspace: Workspace) -> None:
    with pytest.raises(Refused, match="user_not_found"):
        workspace.user("nobody")
    with pytest.raises(Refused, match="channel_not_found"):
        workspace.channel("nowhere")
    with pytest.raises(Refused, match="message_not_found"):
        workspace.message("general", "not a ts")
