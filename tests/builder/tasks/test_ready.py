"""Tasks drawn from what the team has: each row on its conversation's side, nothing learned that judges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine

from builder.dataset import Row
from builder.tasks import spec
from builder.tasks.draw import Team
from builder.tasks.ready import Ready, kept, ready, versions
from lorekeeper import settings as config
from lorekeeper.domain import PUBLIC, Channel, Message
from lorekeeper.errors import BadInput
from lorekeeper.store import messages

TOPICS = ("timeout", "colour", "owner", "region", "quota", "port", "icon", "branch")


def pair(number: int, *, channel: str = "C1", tags: tuple[str, ...] = (), answer: str = "") -> Row:
    topic = TOPICS[number % len(TOPICS)]
    return Row(
        pair_id=number,
        question=f"What is the {topic} of machine {number}?",
        answer=answer or f"It is {topic}-{number * 7}.",
        conversation=f"{channel}/{number}.0",
        source="",
        scope=PUBLIC,
        answer_ts=f"{number}.5",
        channel=channel,
        tags=tags,
    )


def team(engine: Engine, data: Path, rows: Sequence[Row], **retrieval: object) -> Team:
    """Every fourth pair is held out."""
    return Team(
        engine=engine,
        settings=config.Settings(
            store=config.Store(data=data), retrieval=config.Retrieval.model_validate(retrieval)
        ),
        train=[row for number, row in enumerate(rows) if number % 4],
        heldout=[row for number, row in enumerate(rows) if number % 4 == 0],
    )


def one(team: Team, name: str) -> Ready:
    return ready([name], team, {})[0]


def test_a_label_is_the_one_tag_that_counts(engine: Engine, data: Path) -> None:
    tags = (("access",), ("incident",), (), ("access", "incident"), ("incident", "access"))
    rows = [pair(n, tags=tags[n % 5]) for n in range(50)]
    made = one(team(engine, data, rows), "triage")
    by_id = {row.pair_id: row.output for row in (*made.rows.train, *made.rows.heldout)}
    assert made.task.labels == ("access", "incident")
    assert by_id == {n: ("access", "incident")[n % 5] for n in range(50) if n % 5 < 2}
    assert made.rows.left_out == (
        "30 pairs do not have what it takes", "20 of these have several of the labels",
    )  # fmt: skip


def test_a_question_is_routed_to_its_channels_name(engine: Engine, data: Path) -> None:
    with engine.begin() as db:
        messages.put_channel(db, Channel(id="C1", name="help"))
        messages.put_channel(db, Channel(id="C2", name="payments"))
    rows = [pair(n, channel=("C1", "C2", "import")[n % 3]) for n in range(48)]
    made = one(team(engine, data, rows), "routing")
    assert made.task.labels == ("#help", "#payments")
    assert {row.pair_id % 3 for row in made.rows.train} == {0, 1}
    assert made.rows.left_out[0] == "16 pairs do not have what it takes"


def test_a_thread_is_summed_up_by_the_approved_answer_that_says_so(
    engine: Engine, data: Path
) -> None:
    said = (("U1", "the api is slow"), ("U2", "the pool is full"), ("U1", "thanks <@U02ABCDEF>"))
    with engine.begin() as db:
        for number in range(16):
            for at, (who, text) in enumerate(said):
                messages.put(
                    db,
                    Message(
                        channel="C1", ts=f"{number}.{at}", thread_ts=f"{number}.0", author=who,
                        text=f"{text} {number} {number * 31} {at}x{number * 77} {at}y{number * 55}",
                    ),
                )  # fmt: skip
    rows = [pair(n, answer=f"TL;DR: pool {n} full, now {n * 31}") for n in range(16)]
    rows += [pair(n) for n in range(16, 24)]
    made = one(team(engine, data, rows), "summary")
    row = made.rows.train[0]
    assert row.output == "pool 1 full, now 31"
    assert row.input.split("\n") == [
        "Person 1: the api is slow 1 31 0x77 0y55",
        "Person 2: the pool is full 1 31 1x77 1y55",
        "Person 1: thanks [person 1] 1 31 2x77 2y55",
    ]
    assert len(made.rows.train) + len(made.rows.heldout) == 16


def test_documents_are_learned_by_section_and_judged_by_page(
    engine: Engine, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number, topic in enumerate(TOPICS * 2):
        (folder / f"{topic}{number}.md").write_text(
            f"# Alert {number} {topic}\n\n## Meaning\n\nThe {topic} of service {number} has left its"
            f" usual range for longer than {number} minutes.\n\n## Mitigation\n\nLook at {topic} {number},"
            " then restart the worker and tell whoever is on call.\n"
        )
    made = one(
        team(engine, data, [pair(n) for n in range(8)], documents=[str(folder)]), "documents"
    )
    assert len(made.rows.train) + len(made.rows.heldout) > 20
    held = {row.group for row in made.rows.heldout}
    assert held
    assert held.isdisjoint(row.group for row in made.rows.train)
    assert "Mitigation" in made.rows.train[1].input


def test_general_questions_ship_and_none_is_a_probe(engine: Engine, data: Path) -> None:
    from builder.guards import forgetting
    from builder.tasks.rows import TaskRow, apart

    made = one(team(engine, data, [pair(n) for n in range(8)]), "general")
    probes = [
        TaskRow(input=one.question, output=one.answer, group=one.question)
        for kind in forgetting.KINDS
        for one in forgetting.questions(kind, 1000)
    ]
    assert len(made.rows.train) > 30
    assert apart(made.rows, probes) == made.rows


def test_no_task_learns_what_judges_another(engine: Engine, data: Path) -> None:
    spec.folder(data).mkdir()
    rows = [pair(number) for number in range(40)]
    leaky = team(engine, data, rows)
    questions = {row.question for row in leaky.heldout}
    (data / "faq").mkdir()
    made = _imported(leaky, [(row.question, f"Machine {row.pair_id} has it.") for row in rows])
    assert not questions & {row.input for row in made.rows.train}
    assert {row.question for row in leaky.train} & {row.input for row in made.rows.train}


def _imported(leaky: Team, pairs: list[tuple[str, str]]) -> Ready:
    import json

    from builder.tasks.add import add

    file = leaky.settings.store.data / "faq.jsonl"
    lines = (json.dumps({"input": asked, "output": told}) for asked, told in pairs)
    file.write_text("\n".join(lines))
    add(leaky.settings, file, name="faq", metric="token_f1")
    return ready(["answer", "faq"], leaky, versions(["answer", "faq"], leaky.settings.store.data))[
        1
    ]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("triage", "triage has 0 rows to train on"),
        ("routing", r"routing has one label, '#help'"),
        ("summary", "summary has 0 rows to train on"),
        ("documents", "DOCUMENTS names none"),
    ],
)
def test_a_task_without_rows_or_with_one_label_is_refused(
    engine: Engine, data: Path, name: str, what: str
) -> None:
    with engine.begin() as db:
        messages.put_channel(db, Channel(id="C1", name="help"))
    with pytest.raises(BadInput, match=what):
        one(team(engine, data, [pair(n) for n in range(24)]), name)


def test_a_run_that_goes_on_has_the_rows_that_it_began_with(engine: Engine, data: Path) -> None:
    few, more = ([pair(n) for n in range(count)] for count in (16, 24))
    path = data / "tasks.json"
    first = kept(path, ["answer", "general"], team(engine, data, few), {})
    again = kept(path, ["answer", "general"], team(engine, data, more), {})
    assert again == first
