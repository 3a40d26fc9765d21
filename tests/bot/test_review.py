"""Cards, buttons and reactions of reviewers in; decisions, each made once, out."""

from __future__ import annotations

import pytest

from bot import review
from lorekeeper.domain import PairState
from lorekeeper.errors import NotAllowed, StaleDecision


@pytest.fixture
def card(team):
    question = team.member("ada").post("help", "How do I rotate the keys?")
    answer = team.member("grace").reply(question, "Run `vault rotate`.")
    team.member("ada").react(answer, "bookmark")
    rita = team.member("rita")
    return rita.wait_for_message("review", lambda m: "pair_approve" in m.actions)


def test_the_card_is_edited_once_it_is_decided(team, card):
    rita = team.member("rita")
    assert "vault rotate" in card.said
    rita.press(card, "pair_approve")
    decided = rita.wait_for(lambda: not rita.again(card).actions and rita.again(card))
    assert f"Approved by <@{rita.id}>" in decided.said
    assert team.wait_for_pair(PairState.APPROVED).decided_by == rita.id


def test_the_second_reviewer_is_told_who_won(team, card):
    rita, sam = team.member("rita"), team.member("sam")
    rita.press(card, "pair_approve")
    team.wait_for_pair(PairState.APPROVED)
    with pytest.raises(StaleDecision, match=f"already approved, by <@{rita.id}>"):
        review.decide(team.desk, 1, PairState.REJECTED, by=sam.id)
    assert team.wait_for_pair(PairState.APPROVED).decided_by == rita.id


def test_of_two_reviewers_at_once_exactly_one_decides(team, card):
    from concurrent.futures import ThreadPoolExecutor

    rita, sam = team.member("rita"), team.member("sam")

    def decide(by, to):
        try:
            return review.decide(team.desk, 1, to, by=by)
        except StaleDecision as error:
            return error

    with ThreadPoolExecutor(2) as both:
        results = list(
            both.map(decide, (rita.id, sam.id), (PairState.APPROVED, PairState.REJECTED))
        )
    lost = [result for result in results if isinstance(result, StaleDecision)]
    assert len(lost) == 1
    assert "already" in lost[0].what


def test_rejecting_asks_why_and_tells_the_captor(team, card):
    rita, ada = team.member("rita"), team.member("ada")
    rita.press(card, "pair_reject")
    modal = rita.wait_for_modal()
    rita.fill_and_submit(modal, {"reason": "out of date"})
    assert team.wait_for_pair(PairState.REJECTED).reason == "out of date"
    ada.wait_for_message("help", lambda m: m.is_ephemeral and "out of date" in m.said)


def test_somebody_without_the_role_is_told_who_has_it(team, card):
    ada, rita = team.member("ada"), team.member("rita")
    with pytest.raises(NotAllowed, match=f"<@{rita.id}>"):
        review.decide(team.desk, 1, PairState.APPROVED, by=ada.id)
    assert len(team.pairs()) == 1


def test_a_reviewers_reaction_approves(team, card):
    rita = team.member("rita")
    answer = next(m for m in rita.sees("help") if "vault" in m.said)
    team.member("ada").react(answer, "white_check_mark")  # no reviewer: just an emoji
    rita.react(answer, "white_check_mark")
    assert team.wait_for_pair(PairState.APPROVED).decided_by == rita.id


def test_a_reviewer_rewords_and_an_approved_pair_comes_back_to_review(team, card):
    rita = team.member("rita")
    rita.press(card, "pair_approve")
    team.wait_for_pair(PairState.APPROVED)
    review.edit(
        team.desk, 1, by=rita.id, question="How?", answer="Call +1 650 253 0000.", tags="keys, ops"
    )
    pair = team.wait_for_pair()
    assert pair.answer == "Call [phone 1]."
    assert pair.tags == ("keys", "ops")


def test_the_home_shows_the_queue_and_its_buttons_work(team, card):
    rita = team.member("rita")
    home = rita.open_home()
    rita.press(home, "pair_approve")
    team.wait_for_pair(PairState.APPROVED)
    rita.wait_for(lambda: "pair_approve" not in str(rita.home()))


def test_others_see_no_queue(team, card):
    home = team.member("ada").open_home()
    assert "pair_approve" not in str(home)
    assert "Reviewers decide" in str(home)


def test_a_pair_of_a_private_channel_is_decided_by_its_members_only(team):
    question = team.member("ada").post("secrets", "What is the budget?")
    answer = team.member("grace").reply(question, "Forty-two thousand.")
    team.member("ada").react(answer, "bookmark")
    pair = team.wait_for_pair()
    with pytest.raises(NotAllowed, match="you are not in"):
        review.decide(team.desk, pair.id, PairState.APPROVED, by=team.member("rita").id)
    assert review.queue(team.desk, by=team.member("rita").id, limit=5) == []
