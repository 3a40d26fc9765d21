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
    decided = rita.wait_for(
        lambda: "pair_approve" not in rita.again(card).actions and rita.again(card)
    )
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
    rita.press(card, "pair_reject", "Another reason…")
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


def saved(team, question, answer):
    """A pair that Ada saved."""
    asked = team.member("ada").post("help", question)
    said = team.member("grace").reply(asked, answer)
    team.member("ada").react(said, "bookmark")
    return team.until(lambda: next((p for p in team.pairs() if p.answer == answer), None))


def card_of(team, pair, member="rita"):
    rita = team.member(member)
    return rita.wait_for_message(
        "review", lambda m: f"Pair {pair.id}" in m.said and "pair_approve" in m.actions
    )


def test_a_near_duplicate_is_shown_and_merged_with_one_press(team):
    rita = team.member("rita")
    first = saved(team, "How do I rotate the signing keys?", "Run `vault rotate signing`.")
    rita.press(card_of(team, first), "pair_approve")
    team.wait_for_pair(PairState.APPROVED)
    second = saved(team, "How are signing keys rotated?", "Just run `vault rotate signing` once.")
    card = card_of(team, second)
    assert f"Says the same as approved pair {first.id}" in card.said
    rita.press(card, "pair_merge")
    gone = team.wait_for_pair(PairState.RETIRED)
    assert (gone.id, gone.merged_into) == (second.id, first.id)
    assert team.wait_for_pair(PairState.APPROVED).also_asked == (second.question,)


def test_a_contradiction_is_shown_and_the_right_pair_takes_the_others_place(team):
    rita = team.member("rita")
    first = saved(team, "How long do we keep the build logs?", "Thirty days, in the logs bucket.")
    rita.press(card_of(team, first), "pair_approve")
    team.wait_for_pair(PairState.APPROVED)
    second = saved(team, "How long are build logs kept?", "Ninety since March; ask Sam for older.")
    card = card_of(team, second)
    assert f"Contradicts approved pair {first.id}" in card.said
    rita.press(card, "pair_replace")
    assert team.until(lambda: [p.id for p in team.pairs(PairState.APPROVED)] == [second.id])
    assert team.wait_for_pair(PairState.RETIRED).id == first.id


def test_a_contradiction_is_settled_for_the_pair_that_stands(team):
    rita = team.member("rita")
    first = saved(team, "How long do we keep the build logs?", "Thirty days, in the logs bucket.")
    rita.press(card_of(team, first), "pair_approve")
    team.wait_for_pair(PairState.APPROVED)
    second = saved(team, "How long are build logs kept?", "Ninety since March; ask Sam for older.")
    rita.press(card_of(team, second), "pair_beaten")
    assert team.wait_for_pair(PairState.REJECTED).reason == "contradicts pair 1, which is right"


def test_a_private_neighbour_is_not_shown_to_others(team):
    asked = team.member("ada").post("secrets", "What is the budget of the vault project?")
    said = team.member("grace").reply(asked, "Forty-two thousand, until the audit in May.")
    team.member("ada").react(said, "bookmark")
    team.wait_for_pair()
    second = saved(team, "What is the vault project budget?", "Nobody outside knows that figure.")
    assert "Forty-two" not in card_of(team, second).said
    assert review.alike(team.desk, second, by=team.member("rita").id) == []
    assert [one.pair.id for one in review.alike(team.desk, second, by=team.member("grace").id)] == [
        1
    ]


def test_pairs_for_different_readers_are_not_merged(team):
    from lorekeeper.errors import BadInput

    asked = team.member("ada").post("secrets", "What is the budget?")
    said = team.member("grace").reply(asked, "Forty-two thousand.")
    team.member("ada").react(said, "bookmark")
    private = team.wait_for_pair()
    public = saved(team, "How do I rotate the keys?", "Run `rotate`.")
    with team.engine.begin() as db:
        db.exec_driver_sql("UPDATE pairs SET captured_by = ?", (team.member("rita").id,))
    with pytest.raises((BadInput, NotAllowed)):
        review.merge(team.desk, private.id, public.id, by=team.member("rita").id)
    assert len(team.pairs()) == 2


def test_rejecting_takes_one_press_and_a_common_reason_two(team, card):
    rita = team.member("rita")
    rita.press(card, "pair_refuse")
    assert team.wait_for_pair(PairState.REJECTED).reason is None
    other = saved(team, "When may I deploy?", "Never on Fridays.")
    rita.press(card_of(team, other), "pair_reject", "Out of date")
    team.until(lambda: len(team.pairs(PairState.REJECTED)) == 2)
    assert team.pairs(PairState.REJECTED)[1].reason == "out of date"


def test_a_decision_can_be_taken_back(team, card):
    rita = team.member("rita")
    rita.press(card, "pair_approve")
    team.wait_for_pair(PairState.APPROVED)
    decided = rita.wait_for(lambda: "pair_reopen" in rita.again(card).actions and rita.again(card))
    rita.press(decided, "pair_reopen")
    assert team.wait_for_pair(PairState.CANDIDATE)


def test_an_emoji_on_the_card_decides_too(team, card):
    rita = team.member("rita")
    team.member("sam").react(card, "eyes")
    rita.react(card, "x")
    assert team.wait_for_pair(PairState.REJECTED).decided_by == rita.id


def test_a_skin_tone_changes_nothing(team, card):
    from bot import reactions

    assert reactions.plain_name("thumbsup::skin-tone-5") == "thumbsup"


def test_the_queue_reaches_past_what_a_reviewer_may_not_see(team):
    from lorekeeper.store import pairs
    from tests.bot.conftest import a_pair

    private = team.slack.workspace.channel("secrets").id
    with team.engine.begin() as db:
        for number in range(review.LISTED + 5):
            pairs.add(db, a_pair(ts=f"1.{number}", channel=private, scope=private))
        pairs.add(db, a_pair(ts="2.1"))
    assert len(review.queue(team.desk, by=team.member("rita").id, limit=5)) == 1


def test_what_was_mined_waits_behind_what_people_saved_the_surest_first(team):
    from lorekeeper.store import pairs
    from tests.bot.conftest import a_pair

    with team.engine.begin() as db:
        for number, confidence in enumerate((0.6, 0.9, None)):
            pairs.add(db, a_pair(ts=f"1.{number}", confidence=confidence))
    waiting = review.queue(team.desk, by=team.member("rita").id, limit=5)
    assert [pair.confidence for pair in waiting] == [None, 0.9, 0.6]


def test_a_channel_may_have_its_own_reviewers(slack, config, gateway, engine):
    from bot.app import running
    from lorekeeper.settings import Rules
    from tests.bot.conftest import Team

    grace, help_ = slack.workspace.user("grace").id, slack.workspace.channel("help").id
    rules = {help_: Rules(reviewers=(grace,))}
    changed = config.model_copy(update={"bot": config.bot.model_copy(update={"channels": rules})})
    with running(changed, engine) as desk:
        team = Team(slack=slack, desk=desk, gateway=gateway, engine=engine)
        pair = saved(team, "How do I rotate the keys?", "Run `rotate`.")
        with pytest.raises(NotAllowed, match=f"of <#{help_}>"):
            review.decide(desk, pair.id, PairState.APPROVED, by=team.member("rita").id)
        review.decide(desk, pair.id, PairState.APPROVED, by=grace)
        assert team.wait_for_pair(PairState.APPROVED).decided_by == grace
