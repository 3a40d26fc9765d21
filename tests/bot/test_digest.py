"""What waits for review in; one message in the review channel that keeps up with it out."""

from __future__ import annotations

import time

from bot import digest
from lorekeeper.domain import Origin, PairState
from lorekeeper.store import cards, pairs, reading
from tests.bot.conftest import a_pair


def mined(team, count):
    with team.engine.begin() as db:
        for number in range(count):
            pairs.add(
                db,
                a_pair(
                    ts=f"1700000000.{number:06}",
                    question=f"How is service {number} restarted?",
                    origin=Origin.MINED,
                    confidence=0.9,
                ),
            )


def seen(member):
    return member.wait_for_message("review", lambda m: "for review" in m.said)


def test_many_candidates_are_one_message_with_the_first_of_them(team):
    mined(team, 12)
    message = seen(team.member("rita"))
    assert "12 answers wait for review" in message.said
    assert "7 more wait behind these" in message.said
    assert message.said.count("How is service") == 5


def test_deciding_from_it_brings_the_next_candidate(team):
    mined(team, 7)
    rita = team.member("rita")
    rita.press(seen(rita), "pair_approve", block_id=None)
    team.wait_for_pair(PairState.APPROVED)
    rita.wait_for(lambda: "6 answers wait" in seen(rita).said)


def test_a_new_one_comes_when_it_is_time_and_the_old_one_gives_up_its_buttons(team):
    mined(team, 1)
    rita = team.member("rita")
    first = seen(rita)
    team.until(lambda: place(team) == (first_channel(team), first.ts))
    digest.look(team.desk)  # not yet
    digest.look(team.desk, now=time.time() + 25 * 3600)
    rita.wait_for(lambda: "newer digest" in rita.again(first).said)
    assert len([m for m in rita.sees("review") if "for review" in m.said]) == 1


def place(team):
    with reading(team.engine) as db:
        return cards.get(db, digest.SUBJECT)


def first_channel(team):
    return team.slack.workspace.channel("review").id


def test_nothing_waits_and_nothing_is_said(team):
    digest.look(team.desk)
    assert team.member("rita").sees("review") == []


def test_what_has_a_card_of_its_own_is_no_news_on_the_first_day(team):
    with team.engine.begin() as db:
        pairs.add(db, a_pair(captured_at=time.time()))
    digest.look(team.desk)
    assert place(team) is None
    digest.look(team.desk, now=time.time() + 25 * 3600)
    assert place(team) is not None


def test_private_words_are_not_in_it(team):
    private = team.slack.workspace.channel("secrets").id
    with team.engine.begin() as db:
        pairs.add(db, a_pair(channel=private, scope=private, question="What is the budget?"))
    message = seen(team.member("rita"))
    assert "1 answer waits" in message.said
    assert "budget" not in message.said
