"""From what was said in Slack and elsewhere to a dataset that a team can trust, and back out of it."""

from __future__ import annotations

import json

import pytest

from bot import manifest
from bot.app import running
from bot.playground.server import Playground
from builder.freeze import freeze, preview
from builder.imports.files import read
from builder.imports.pairs import import_pairs
from lorekeeper.domain import Origin, PairState
from lorekeeper.settings import Bot, Settings, Slack, Store, Train
from lorekeeper.store import datasets, pairs, reading


@pytest.fixture
def slack():
    playground = Playground()
    for name in ("ada", "grace", "rita"):
        playground.workspace.add_user(name)
    app = playground.install(manifest.read())
    for channel in ("help", "review"):
        playground.workspace.add_channel(channel, members=["ada", "grace", "rita", app.bot_user])
    with playground:
        yield playground


@pytest.fixture
def settings(slack, data):
    return Settings(
        slack=Slack(bot_token=slack.bot_token, app_token=slack.app_token, api_url=slack.api_url),
        bot=Bot(review_channel=slack.workspace.channel("review").id),
        store=Store(data=data),
        train=Train(heldout=0.3),
    )


def in_state(engine, state):
    with reading(engine) as db:
        return pairs.in_state(db, state)


def test_answers_are_saved_found_imported_reviewed_frozen_and_forgotten(
    slack, settings, engine, tmp_path
):
    ada, grace, rita = (slack.member(name) for name in ("ada", "grace", "rita"))
    with running(settings, engine):
        # Saved by a reaction, in a thread.
        asked = ada.post("help", "How do I rotate the signing keys?")
        told = grace.reply(asked, "Run `vault rotate signing`, token ghp_" + "a1B2" * 9)
        ada.react(told, "bookmark")
        note = ada.wait_for_message("help", lambda m: m.is_ephemeral and "Saved" in m.said)
        assert "[secret 1]" in note.said

        # Found in the channel's past, where nobody saved anything.
        for number in range(4):
            root = ada.post("help", f"Where are the logs of service number {number}?")
            grace.reply(root, f"In the bucket logs-{number}, for {number + 10} days.")
        rita.command("/lore import", "help")
        rita.wait_for_message("help", lambda m: "Done" in m.said and "5* new" not in m.said)

        # Imported from a table, with a contradiction of what was saved.
        table = tmp_path / "faq.csv"
        table.write_text(
            "question,answer\n"
            "How are the signing keys rotated?,Ask the security team; nobody else may do it today.\n"
            "Who is on call this week?,The rota in the wiki says who it is.\n"
        )
        assert import_pairs(engine, table, by="me").added == 2
        origins = {pair.origin for pair in in_state(engine, PairState.CANDIDATE)}
        assert origins == {Origin.REACTION, Origin.MINED, Origin.IMPORT}

        # Reviewed, one press each, until the Home is empty.
        home = rita.open_home()
        while "pair_approve" in str(home):
            before = str(home)
            press = "pair_beaten" if "pair_beaten" in before else "pair_approve"
            rita.press(home, press)
            home = rita.wait_for(lambda seen=before: str(rita.home()) != seen and rita.home())
        approved = in_state(engine, PairState.APPROVED)
        (rejected,) = in_state(engine, PairState.REJECTED)
        assert rejected.reason == f"contradicts pair {approved[0].id}, which is right"

        # Frozen, and exported without loss.
        version = freeze(engine, settings, by=rita.id)
        assert version.train + version.heldout == len(approved) == 6

        # Deleted in Slack: gone from the next version, and the frozen one says so.
        grace.delete(told)
        rita.wait_for(lambda: in_state(engine, PairState.RETIRED))
        ahead = preview(engine, settings)
        assert [row.pair_id for row in ahead.since.gone] == [approved[0].id]
        with reading(engine) as db:
            assert [pair.id for pair in datasets.withdrawn(db, version.id)] == [approved[0].id]


def test_a_hundred_pairs_are_reviewed_with_a_hundred_presses(slack, settings, engine, tmp_path):
    rita = slack.member("rita")
    lines = [
        json.dumps(
            {"question": f"What does job{n} of team{n} need?", "answer": f"Quota{n}, flag{n}."}
        )
        for n in range(100)
    ]
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(lines))
    assert sum(1 for _ in read(path)) == 100
    import_pairs(engine, path, by="me")
    with running(settings, engine):
        home, presses = rita.open_home(), 0
        while "pair_approve" in str(home):
            before = str(home)
            rita.press(home, "pair_approve")
            presses += 1
            home = rita.wait_for(lambda seen=before: str(rita.home()) != seen and rita.home())
    assert presses == len(in_state(engine, PairState.APPROVED)) == 100
