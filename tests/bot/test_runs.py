"""Runs that go on in the database in; one message each, edited, out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot import runs as bot_runs
from bot.blocks import runs as blocks
from builder.curve_picture import PICTURE
from builder.report import evidence
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import (
    PUBLIC,
    Arm,
    ArmScore,
    Evaluation,
    Goal,
    Outcome,
    Plan,
    Progress,
    RunState,
    Stage,
    Verdict,
)
from lorekeeper.errors import NotAllowed
from lorekeeper.store import adapters, cards, deployments, reading, runs

WORKER = "w1"

EVALUATION = Evaluation(
    questions=("How do I rotate keys?", "Where are the logs?"),
    references=("a", "b"),
    conversations=("C/1", "C/2"),
    arms=tuple(
        ArmScore(arm=arm, nll=(2.0 - n / 10, 1.0), f1=(0.5, 0.25), answers=(f"old {n}", f"new {n}"))
        for n, arm in enumerate(Arm)
    ),
    precision="float32",
)


VERDICT = Verdict(outcome=Outcome.KEEP, reasons=("Not better: p = 0.40.",))


def found(run, places):
    return evidence.Evidence(
        run=run.id,
        at=1.0,
        evaluation=EVALUATION,
        verdict=VERDICT,
        places=tuple(evidence.Place(scope=scope, channel="C1") for scope in places),
    )


@pytest.fixture
def run(team):
    return team.queue_run()


def message(team, text, run_id=1):
    return team.member("rita").wait_for_message(
        "help", lambda m: f"Run {run_id}" in m.said and text in m.said
    )


def _card(team, subject):
    with reading(team.engine) as db:
        return cards.get(db, subject)


def served(team):
    with reading(team.engine) as db:
        return deployments.current(db)


def uploaded(team, shown):
    rita = team.member("rita")
    return rita.wait_for(
        lambda: next((m.raw["files"] for m in rita.thread(shown) if m.raw.get("files")), None)
    )


def content(team, file):
    return team.slack.workspace.files.get(file["id"]).content.decode()


def recorded(team):
    with reading(team.engine) as db:
        return runs.get(db, 1)


def trained(team, run, places=(PUBLIC, PUBLIC), verdict=VERDICT):
    store = ArtifactStore(team.desk.settings.store.data)
    with store.write("adapters", {}) as draft:
        evidence.write(draft.path, found(run, places))
    with team.engine.begin() as db:
        runs.claim(db, WORKER)
        adapter = adapters.add(
            db,
            run_id=run.id,
            dataset_id=run.dataset_id,
            base_model="m",
            hash=draft.hash,
            folder=draft.folder,
            rank=8,
            evaluation=EVALUATION,
            verdict=verdict,
        )
        runs.finish(db, run.id, WORKER, RunState.DONE, adapter_id=adapter.id)
    return adapter


def test_a_run_is_one_message_that_is_edited(team, run):
    first = message(team, "waits for a worker")
    with team.engine.begin() as db:
        runs.claim(db, WORKER)
        runs.report(
            db,
            run.id,
            WORKER,
            Progress(
                stage=Stage.TRAINING,
                step=5,
                steps=10,
                loss=1.5,
                tokens_per_second=230,
                seconds_left=75,
            ),
        )
    shown = message(team, "5/10 steps")
    assert shown.ts == first.ts
    assert "loss 1.500 · 230 tokens/s · 1 min 15 s left" in shown.said
    assert "run_cancel" in shown.actions


def test_the_cancel_button_cancels(team, run):
    rita = team.member("rita")
    rita.press(message(team, "waits for a worker"), "run_cancel")
    shown = message(team, "Cancelled by")
    assert shown.actions == []


def test_the_end_shows_the_verdict_the_arms_and_the_answers_side_by_side(team, run):
    trained(team, run)
    shown = message(team, "Kept out")
    assert "Not better: p = 0.40." in shown.said
    assert "tuned + retrieval" in shown.said
    assert "How do I rotate keys?" in shown.said
    assert "run_promote" in shown.actions


def test_no_reason_is_left_out(team, run):
    reasons = tuple(f"Reason {number}: {'because ' * 40}so." for number in range(12))
    trained(team, run, verdict=Verdict(outcome=Outcome.KEEP, reasons=reasons))
    said = message(team, "Kept out").said
    assert [f"Reason {number}:" in said for number in range(12)] == [True] * 12


def test_the_arms_have_an_f1_where_answers_were_written():
    unwritten = replace(
        EVALUATION, arms=tuple(replace(one, f1=(), answers=()) for one in EVALUATION.arms)
    )
    assert "F1" in str(blocks.comparison(EVALUATION))
    assert "F1" not in str(blocks.comparison(unwritten))


def test_a_person_overrules_the_gate_says_why_and_rolls_back(team, run):
    rita, ada = team.member("rita"), team.member("ada")
    trained(team, run)
    shown = message(team, "Kept out")
    with pytest.raises(NotAllowed, match="promote and roll back"):
        bot_runs.promote(team.desk, "v1", by=ada.id, why="")
    rita.press(shown, "run_promote")
    view = rita.wait_for_modal(lambda v: v["title"]["text"] == "Promote v1?")
    assert "Not better: p = 0.40." in str(view)
    rita.fill_and_submit(view, {"why": "It knows the new rota."})
    rita.wait_for(lambda: "run_rollback" in rita.again(shown).actions)
    current = served(team)
    assert (current.adapter, current.by) == ("v1", rita.id)
    assert current.why == "against the gate, which had said keep: It knows the new rota."
    rita.press(shown, "run_rollback")
    rita.fill_and_submit(
        rita.wait_for_modal(lambda v: v["title"]["text"] == "Roll back?"),
        {"why": "It made things up."},
    )
    rita.wait_for(lambda: "run_promote" in rita.again(shown).actions)
    assert (served(team).adapter, served(team).why) == ("base", "It made things up.")


def test_the_command_asks_why_where_the_gate_said_otherwise(team, run):
    rita = team.member("rita")
    trained(team, run)
    message(team, "Kept out")
    rita.command("/lore promote v1", "help")
    rita.fill_and_submit(
        rita.wait_for_modal(lambda v: v["title"]["text"] == "Promote v1?"), {"why": "because"}
    )
    team.until(lambda: served(team), "a deployment")
    assert served(team).by == rita.id


def test_the_report_comes_once_into_the_thread_with_picture_and_page(team, run):
    trained(team, run)
    shown = message(team, "Kept out")
    files = uploaded(team, shown)
    assert [file["name"] for file in files] == ["v1.png", "v1.html"]
    team.until(lambda: _card(team, f"report:{run.id}"))
    bot_runs.Watcher(team.desk).look()
    assert len([m for m in team.member("rita").thread(shown) if m.raw.get("files")]) == 1


def test_words_of_a_private_channel_are_in_no_report_for_those_outside(team, run):
    trained(team, run, places=(PUBLIC, "G9"))
    shown = message(team, "Kept out")
    page = content(team, uploaded(team, shown)[1])
    assert "How do I rotate keys?" in page
    for private in ("Where are the logs?", "new 2", "new 4"):
        assert private not in shown.said
        assert private not in page


def test_that_the_engine_serves_it_is_said_once(team, run):
    adapter = trained(team, run)
    message(team, "Kept out")
    with team.engine.begin() as db:
        deployment = deployments.deploy(db, adapter_id=adapter.id, by="gate", why="better")
        deployments.loaded(db, deployment.id)
    rita = team.member("rita")
    rita.wait_for_message("help", lambda m: "`v1` answers now" in m.said)
    team.until(lambda: _card(team, f"deployment:{deployment.id}"))
    bot_runs.Watcher(team.desk).look()
    assert len([m for m in rita.sees("help") if "answers now" in m.said]) == 1


def test_another_bot_finds_the_message_and_posts_no_second_one(team, run):
    first = message(team, "waits for a worker")
    team.until(lambda: recorded(team).message_ts, "where the message is")
    again = bot_runs.Watcher(team.desk)
    with team.engine.begin() as db:
        runs.request_cancel(db, run.id, "U1")
    again.look()
    rita = team.member("rita")
    assert [m.ts for m in rita.sees("help") if "Run 1" in m.said] == [first.ts]


PLAN = Plan(
    rows=80, prompt_tokens=20_000, answer_tokens=6_000, lengths=(40, 120, 200, 300, 700),
    left_out=1, left_out_why=("pair 7 has 900 tokens, and max_tokens is 768",), steps=60,
    device="CPU", memory={"weights": 2**29, "activations": 2**30}, memory_free=2**33,
    seconds={"training": 300.0, "scoring": 60.0}, disk=2**26, disk_free=2**33,
    chosen=("rank=16: enough",), probed=8,
)  # fmt: skip


def test_the_message_shows_the_plan_from_the_moment_there_is_one(team, run):
    first = message(team, "waits for a worker")
    with team.engine.begin() as db:
        runs.claim(db, WORKER)
        runs.planned(db, run.id, WORKER, PLAN)
    shown = message(team, "about 6 min 0 s")
    assert shown.ts == first.ts
    assert "1.5 GB at the peak (weights 512 MB, activations 1.0 GB); 8.0 GB are free" in shown.said
    assert "pair 7 has 900 tokens" in shown.said


def test_a_curve_ends_with_what_it_found_and_its_picture_once(team):
    run = team.queue_run(goal=Goal.CURVE)
    folder = team.desk.settings.store.data / "runs" / str(run.id)
    folder.mkdir(parents=True)
    (folder / PICTURE).write_bytes(b"\x89PNG")
    with team.engine.begin() as db:
        runs.claim(db, WORKER)
        runs.found(db, run.id, WORKER, "More answers would help.")
        runs.finish(db, run.id, WORKER, RunState.DONE)
    shown = message(team, "More answers would help.")
    assert "would more data help?" in shown.said
    assert [file["name"] for file in uploaded(team, shown)] == [PICTURE]
    team.until(lambda: _card(team, f"curve:{run.id}"))
    bot_runs.Watcher(team.desk).look()
    assert len([m for m in team.member("rita").thread(shown) if m.raw.get("files")]) == 1
