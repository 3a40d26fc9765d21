"""Wishes not to be kept in; nothing of what was kept left in any place, and that said, out."""

from __future__ import annotations

import pytest

from bot import forget
from lorekeeper.domain import PairState
from lorekeeper.errors import BadInput, NotAllowed
from lorekeeper.store import messages, pairs, reading

SECRET_WORDS = "the vault code word"


@pytest.fixture
def saved(team):
    question = team.member("ada").post("help", "What opens the vault?")
    answer = team.member("grace").reply(question, f"Say {SECRET_WORDS}.")
    team.member("ada").react(answer, "bookmark")
    team.wait_for_pair()
    return answer


def stored(team):
    """Everything that the database says, as one text."""
    with team.engine.connect() as db:
        return "\n".join(
            str(row)
            for table in ("messages", "pairs", "pair_history", "answers")
            for row in db.exec_driver_sql(f"SELECT * FROM {table}")
        )


def test_a_message_is_forgotten_everywhere_by_its_author(team, saved):
    grace = team.member("grace")
    grace.command(f"/lore forget {grace.permalink(saved)}", "help")
    said = grace.wait_for_message("help", lambda m: m.is_ephemeral and "Forgotten" in m.said).said
    assert "1 messages and 1 pairs" in said
    assert team.wait_for_pair(PairState.RETIRED).reason == "the answer was forgotten on request"
    assert SECRET_WORDS not in stored(team)


def test_an_edited_pair_leaves_no_words_in_its_history(team, saved):
    from bot import review

    review.edit(team.desk, 1, by=team.member("rita").id, question="Vault?", answer="Ask Grace.")
    assert SECRET_WORDS in stored(team)
    forget.forget(team.desk, team.member("grace").permalink(saved), by=team.member("grace").id)
    assert SECRET_WORDS not in stored(team)


def test_what_was_forgotten_is_not_stored_or_saved_again(team, saved):
    from bot import capture, mirror
    from lorekeeper.domain import Origin

    grace, channel = team.member("grace"), team.slack.workspace.channel("help").id
    forget.forget(team.desk, grace.permalink(saved), by=grace.id)
    grace.edit(saved, f"Say {SECRET_WORDS} twice.")
    mirror.keep(team.desk, channel, {"ts": saved.ts, "user": grace.id, "text": SECRET_WORDS})
    with pytest.raises(BadInput, match="not there any more"):
        capture.propose(team.desk, channel=channel, ts=saved.ts, by=grace.id, origin=Origin.COMMAND)
    assert SECRET_WORDS not in stored(team)


def test_everything_of_a_person_is_forgotten(team, saved):
    ada = team.member("ada")
    ada.post("help", "Another thing that I said.")
    team.until(lambda: len(written(team, ada)) == 2)
    gone = forget.forget(team.desk, "@me", by=ada.id)
    assert (gone.messages, gone.pairs) == (2, 1)
    assert written(team, ada) == []
    assert "What opens the vault" not in stored(team)


def test_words_of_a_pair_that_was_taken_back_are_forgotten_too(team, saved):
    from bot import capture

    capture.withdraw(team.desk, 1, by=team.member("ada").id)
    assert SECRET_WORDS in stored(team)
    forget.forget(team.desk, team.member("grace").permalink(saved), by=team.member("grace").id)
    assert SECRET_WORDS not in stored(team)


def test_a_merged_wording_leaves_the_pair_that_learned_it(team, saved):
    from bot import review

    other = team.member("sam").post("help", "Which words open the vault door?")
    said = team.member("grace").reply(other, "Ask Grace for the words of the day.")
    team.member("ada").react(said, "bookmark")
    team.until(lambda: len(team.pairs()) == 2)
    review.merge(team.desk, 2, 1, by=team.member("rita").id)
    assert "Which words" in stored(team)
    forget.forget(team.desk, "@me", by=team.member("sam").id)
    assert "Which words" not in stored(team)
    assert len(team.pairs()) == 1


def test_a_merged_answer_is_not_saved_again(team, saved):
    from bot import capture, review
    from lorekeeper.domain import Origin
    from lorekeeper.errors import StaleDecision

    other = team.member("sam").post("help", "Which words open the vault door?")
    said = team.member("grace").reply(other, "Ask Grace for the words of the day.")
    team.member("ada").react(said, "bookmark")
    team.until(lambda: len(team.pairs()) == 2)
    merged = team.pairs()[1]
    review.merge(team.desk, 2, 1, by=team.member("rita").id)
    with pytest.raises(StaleDecision, match="merged into pair 1"):
        capture.propose(
            team.desk,
            channel=merged.channel,
            ts=said.ts,
            by=team.member("rita").id,
            origin=Origin.COMMAND,
        )


def test_a_reviewer_outside_a_private_channel_forgets_nothing_there(team):
    asked = team.member("ada").post("secrets", "What is the budget?")
    said = team.member("grace").reply(asked, "Forty-two thousand.")
    team.until(lambda: written(team, team.member("grace")))
    with pytest.raises(NotAllowed):
        forget.forget(team.desk, team.member("ada").permalink(said), by=team.member("rita").id)


def test_versions_and_adapters_that_hold_it_are_named(team, saved):
    from lorekeeper.store import datasets

    with team.engine.begin() as db:
        datasets.add(db, hash="h", folder="f", train=[1], heldout=[], created_by="U1")
    gone = forget.forget(team.desk, "@me", by=team.member("grace").id)
    assert gone.versions == ("d1",)
    with reading(team.engine) as db:
        assert [pair.id for pair in datasets.withdrawn(db, 1)] == [1]


def test_somebody_elses_message_is_for_reviewers_to_forget(team, saved):
    link = team.member("ada").permalink(saved)
    with pytest.raises(NotAllowed, match="somebody else's"):
        forget.forget(team.desk, link, by=team.member("gus").id)
    assert forget.forget(team.desk, link, by=team.member("rita").id).pairs == 1


def test_what_is_not_kept_cannot_be_forgotten(team):
    with pytest.raises(BadInput, match="Nothing is kept"):
        forget.forget(
            team.desk,
            "https://playground.slack.com/archives/C0000000001/p1700000000000100",
            by=team.member("ada").id,
        )
    with pytest.raises(BadInput, match="not a link"):
        forget.forget(team.desk, "yesterday", by=team.member("ada").id)


def written(team, member):
    with reading(team.engine) as db:
        return messages.written_by(db, member.id)


def test_the_button_after_opting_out_forgets_too(team, saved):
    grace = team.member("grace")
    grace.command("/lore optout", "help")
    offer = grace.wait_for_message("help", lambda m: "people_forget" in m.actions)
    grace.press(offer, "people_forget")
    assert team.wait_for_pair(PairState.RETIRED)
    with reading(team.engine) as db:
        assert pairs.written_by(db, grace.id) == []
