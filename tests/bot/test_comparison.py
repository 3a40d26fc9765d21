"""`/lore compare v3 v4`: a blind vote on two adapters' answers, and what comes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import insert

from bot import comparison as bot_comparison
from builder.dataset import FILES, Row, write
from builder.report.scripted_judge import ScriptedJudge
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import (
    PUBLIC,
    ComparisonState,
    Evaluation,
    Level,
    Outcome,
    Verdict,
)
from lorekeeper.errors import NotAllowed, StaleDecision
from lorekeeper.settings import Judge
from lorekeeper.store import answers, comparisons, deployments, reading
from lorekeeper.store.rows import plain
from lorekeeper.tables import adapters, datasets, runs


def row(number, scope=PUBLIC):
    return Row(
        pair_id=number, question=f"How do I turn key {number}?", answer="So.",
        conversation=f"C1/{number}.0", source="", scope=scope, answer_ts=f"{number}.5", channel="C1",
    )  # fmt: skip


@pytest.fixture
def trained(team):
    """v1 and v2, loaded, and three held-out questions, one of them from a private channel."""
    secrets = team.slack.workspace.channel("secrets").id
    with ArtifactStore(team.desk.settings.store.data).write("datasets", {}) as draft:
        for split in FILES:
            write(
                draft.path, split, [row(1), row(2), row(3, secrets)] if split == "heldout" else []
            )
    none = Evaluation(questions=(), references=(), conversations=(), arms=(), precision="float32")
    told = Verdict(outcome=Outcome.PROMOTE, reasons=("better",))
    with team.engine.begin() as db:
        about = {"name": "d1", "hash": "h", "folder": draft.folder, "train": 1, "heldout": 3}
        db.execute(insert(datasets).values(**about, created_by="U1", created_at=1))
        for name in ("v1", "v2"):
            number = int(name[1:])
            db.execute(
                insert(runs).values(
                    id=number, dataset_id=1, recipe="qlora", options={}, base_model="m", state="done",
                    requested_by="U1", requested_at=1, progress={},
                )
            )  # fmt: skip
            db.execute(
                insert(adapters).values(
                    name=name, run_id=number, dataset_id=1, base_model="m", hash=name, folder="f",
                    rank=8, evaluation=plain(none), verdict=plain(told), created_at=1,
                )
            )  # fmt: skip
    team.gateway.adapters = ["v1", "v2"]
    return team


def opened(team, line="/lore compare v1 v2"):
    rita = team.member("rita")
    rita.command(line, "help")
    root = rita.wait_for_message(
        "help", lambda m: "compared blind" in m.said and "Vote in" in m.said
    )
    return root, [m for m in rita.thread(root) if "vote_first" in m.actions]


def is_by(name, place, message):
    """Whether the first (0) or the second (1) answer is this adapter's."""
    return f"{name}: It is" in message.said.split("*Answer ")[place + 1]


def press_for(team, who, message, name):
    place = "first" if is_by(name, 0, message) else "second"
    team.member(who).press(message, f"vote_{place}")


def vote_for(team, who, message, name):
    """Press, and wait until that is counted: two presses in one moment may come in either order."""
    before = counted(team)
    press_for(team, who, message, name)
    team.until(lambda: counted(team) != before, "the vote")


def counted(team):
    with reading(team.engine) as db:
        return comparisons.votes_of(db, 1)


def result(team):
    with reading(team.engine) as db:
        return comparisons.between(db, "v2", "v1")[0]


def test_people_vote_blind_and_the_result_names_who_was_who(trained):
    root, asked = opened(trained)
    assert len(asked) == 2  # the private one is not for those who read #help
    for message in asked:
        for who in ("ada", "grace", "rita"):
            vote_for(trained, who, message, "v2")
    rita = trained.member("rita")
    rita.wait_for(lambda: "3 people voted" in rita.again(root).said)
    shown = rita.again(root)
    assert "v2 is" not in shown.said
    assert all("was by" not in rita.again(m).said for m in asked)
    rita.press(root, "compare_close")
    closed = rita.wait_for_message("help", lambda m: "6 for v2" in m.said)
    assert closed.ts == root.ts
    assert "0 votes for v1, 6 for v2, 0 for both, 0 for neither, by 3 people" in closed.said
    assert "No preference that these votes can show" in closed.said  # two questions prove nothing
    for message in asked:
        rita.wait_for(lambda message=message: "v2: 3" in rita.again(message).said)
        assert rita.again(message).actions == []


def test_a_person_counts_once_and_may_change_their_mind(trained):
    root, (first, _) = opened(trained)
    ada, rita = trained.member("ada"), trained.member("rita")
    vote_for(trained, "ada", first, "v1")
    vote_for(trained, "ada", first, "v2")
    ada.press(first, "vote_both")
    ada.wait_for_message(
        "help", lambda m: m.is_ephemeral and "Both are good" in m.said, thread_ts=root.ts
    )
    rita.press(root, "compare_close")
    rita.wait_for_message("help", lambda m: "0 for v2, 1 for both" in m.said)


def test_questions_are_answered_without_their_own_conversation_and_leave_no_trace(trained):
    opened(trained)
    asked = [r for r in trained.gateway.requests if r["model"] in {"v1", "v2"}]
    assert sorted(r["model"] for r in asked) == ["v1", "v1", "v2", "v2"]
    for request in asked:
        number = request["messages"][-1]["content"].removesuffix("?").split()[-1]
        assert request["lorekeeper"]["exclude"] == [f"C1/{number}.0"]
        assert request["lorekeeper"]["scopes"] == [PUBLIC]
    with reading(trained.engine) as db:
        assert answers.asked_since(db, 0) == []
        assert comparisons.preparing(db) == []


def test_the_engine_is_to_hold_both_while_they_are_asked(trained):
    with trained.engine.begin() as db:
        assert [one.name for one in deployments.to_hold(db)] == ["v2"]  # the candidate
        question = {"question": "q", "conversation": "c", "is_public": True, "is_swapped": False}
        comparisons.begin(
            db, one="v1", other="base", wanted=1, by="U1", channel="C1", questions=[question]
        )
        assert [one.name for one in deployments.to_hold(db)] == ["v1", "v2"]


def test_an_adapter_that_is_not_loaded_ends_it_in_words(trained, monkeypatch):
    monkeypatch.setattr(bot_comparison, "LOAD_SECONDS", 0.5)
    trained.gateway.adapters = ["v1"]
    rita = trained.member("rita")
    rita.command("/lore compare v1 v2", "help")
    rita.wait_for_message("help", lambda m: "The engine does not hold v2" in m.said)


def test_the_base_is_one_like_any_other(trained):
    _, asked = opened(trained, "/lore compare base v2 1")
    assert len(asked) == 1
    assert any(is_by("base", place, asked[0]) for place in (0, 1))


def test_questions_that_were_asked_lately_are_compared_on_request(trained):
    ada = trained.member("ada")
    trained.gateway.adapters = []
    ada.wait_for_answer(ada.post("help", f"<@{trained.bot}> where are the keys?"))
    trained.gateway.adapters = ["v1", "v2"]
    _, asked = opened(trained, "/lore compare v1 v2 recent")
    assert "where are the keys?" in asked[0].said


def test_questions_that_nothing_answers_are_no_questions(trained):
    trained.gateway.level = Level.UNKNOWN
    rita = trained.member("rita")
    rita.command("/lore compare v1 v2", "help")
    rita.wait_for_message("help", lambda m: "No question got two answers that differ" in m.said)


@pytest.mark.parametrize(
    ("line", "who", "told"),
    [
        ("/lore compare v1", "rita", "Compare which two?"),
        ("/lore compare v1 v1", "rita", "v1 is as good as itself"),
        ("/lore compare v1 v9", "rita", "There is no adapter 'v9'"),
        ("/lore compare v1 v2 99", "rita", "99 questions cannot be compared"),
        ("/lore compare v1 v2 recent", "rita", "There are no recent questions"),
        ("/lore compare v1 v2", "ada", "You cannot begin and close comparisons"),
    ],
)
def test_what_cannot_be_compared_is_said(trained, line, who, told):
    member = trained.member(who)
    member.command(line, "help")
    member.wait_for_message("help", lambda m: m.is_ephemeral and told in m.said)


def test_a_second_one_waits_for_the_first_which_can_be_cancelled(trained):
    root, (first, _) = opened(trained)
    rita = trained.member("rita")
    rita.command("/lore compare v2 base", "help")
    rita.wait_for_message("help", lambda m: "being compared here already" in m.said)
    rita.press(root, "compare_cancel")
    rita.wait_for(lambda: "Nothing was counted" in rita.again(root).said)
    press_for(trained, "ada", first, "v1")
    trained.member("ada").wait_for_message(
        "help", lambda m: m.is_ephemeral and "is closed" in m.said, thread_ts=root.ts
    )


def test_who_may_not_compare_can_neither_close_it_nor_vote_as_a_guest(trained):
    opened(trained)
    ada, gus = trained.member("ada").id, trained.member("gus").id
    with pytest.raises(NotAllowed):
        bot_comparison.close(trained.desk, 1, by=ada)
    with pytest.raises(NotAllowed, match="members of this workspace"):
        bot_comparison.vote(trained.desk, 1, "first", by=gus, thread=None)
    closed = bot_comparison.close(trained.desk, 1, by=trained.member("rita").id)
    assert closed.state is ComparisonState.CLOSED
    with pytest.raises(StaleDecision, match="closed already"):
        bot_comparison.close(trained.desk, 1, by=trained.member("rita").id)


def test_a_judge_model_says_what_it_finds_of_the_same_answers(trained):
    with ScriptedJudge(
        lambda data: f'{{"better": "{"A" if data["A"].startswith("v2") else "B"}"}}'
    ) as model:
        rules = Judge(url=model.url, model="wise")
        desk = replace(
            trained.desk, settings=trained.desk.settings.model_copy(update={"judge": rules})
        )
        root, asked = opened(trained)
        for message in asked:
            vote_for(trained, "ada", message, "v2")
        closed = bot_comparison.close(trained.desk, 1, by=trained.member("rita").id)
        bot_comparison.judge(desk, closed.id)
    shown = trained.member("rita").again(root).said
    assert "The judge model wise prefers v1 on 0, v2 on 2" in shown
    assert "It agrees with most people's votes on 2 of 2 questions." in shown
    assert result(trained).judged["model"] == "wise"


def test_who_is_forgotten_leaves_no_vote(trained):
    _, (first, _) = opened(trained)
    vote_for(trained, "ada", first, "v1")
    with trained.engine.begin() as db:
        comparisons.forget_voter(db, trained.member("ada").id)
        assert comparisons.votes_of(db, 1) == []
        comparisons.erase(db, "C1/2.0")
        left = [one.question for one in comparisons.questions(db, 1)]
    assert left == ["(forgotten on request)", "How do I turn key 1?"]
