"""A file becomes a task, or is refused in words with its lines; a task that was there is not harmed."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from builder.tasks import spec
from builder.tasks.add import Added, add
from builder.tasks.rows import read
from lorekeeper import settings as config
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.errors import BadInput, NotFound


@pytest.fixture
def rules(data: Path) -> config.Settings:
    return config.Settings(store=config.Store(data=data))


def tickets(count: int = 40) -> list[dict[str, str]]:
    kinds = ("incident", "how-to", "access")
    return [
        {"input": f"Ticket {n * 7919} about the thing called {chr(97 + n % 26) * 6}{n}", "output": kinds[n % 3]}
        for n in range(count)
    ]  # fmt: skip


def lines(path: Path, records: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return path


def added(rules: config.Settings, path: Path, **values: object) -> Added:
    given: Mapping[str, object] = {"name": "triage", "metric": "macro_f1"} | values
    return add(rules, path, **given)  # type: ignore[arg-type]


def test_a_file_of_json_lines_becomes_a_task(rules: config.Settings, tmp_path: Path) -> None:
    made = added(rules, lines(tmp_path / "t.jsonl", tickets()), about='Tickets "by kind"')
    assert made.task == spec.load("triage", rules.store.data)
    assert made.task.labels == ("access", "how-to", "incident")
    assert made.task.about == 'Tickets "by kind"'
    assert len(made.rows.train) + len(made.rows.heldout) == 40
    assert read(ArtifactStore(rules.store.data).open(made.task.rows)) == made.rows


def test_a_table_may_name_groups_which_never_part(rules: config.Settings, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, ["input", "output", "group"])
        table.writeheader()
        table.writerows(one | {"group": f"g{n // 2}"} for n, one in enumerate(tickets()))
    made = added(rules, path)
    held = {row.group for row in made.rows.heldout}
    assert held
    assert held.isdisjoint(row.group for row in made.rows.train)
    assert all(row.group.startswith("triage:g") for row in made.rows.heldout)


def test_a_conversation_of_slacks_keeps_its_name_as_a_group(
    rules: config.Settings, tmp_path: Path
) -> None:
    records = [one | {"group": f"C0123/{n}.5"} for n, one in enumerate(tickets())]
    made = added(rules, lines(tmp_path / "t.jsonl", records))
    assert {row.group for row in made.rows.train} < {f"C0123/{n}.5" for n in range(40)}


def test_each_line_that_cannot_be_used_is_named_with_the_reason(
    rules: config.Settings, tmp_path: Path
) -> None:
    records = [
        *tickets(),
        {"input": "What now?", "output": "urgent"},
        {"input": "", "output": "access"},
        {"input": "Only this"},
        ["no", "object"],
        tickets()[3],
        {"input": "Who?", "output": "mail bob@example.com"},
    ]
    made = added(
        rules, lines(tmp_path / "t.jsonl", records), labels=("incident", "how-to", "access")
    )
    assert {problem.line: problem.reason for problem in made.problems} == {
        41: "'urgent' is none of the labels",
        42: "the question is empty",
        43: "it has no known shape; its keys are input",
        44: "it is not an object",
        45: "it says the same as line 4",
        46: "its label holds personal data or a secret",
    }


def test_what_is_personal_is_replaced_before_it_is_stored(
    rules: config.Settings, tmp_path: Path
) -> None:
    records = [
        {"input": f"Case {n} {n * 31} of ann@example.com", "output": f"Case {n} answered to ann@example.com"}
        for n in range(20)
    ]  # fmt: skip
    made = added(rules, lines(tmp_path / "t.jsonl", records), metric="token_f1")
    stored = [*made.rows.train, *made.rows.heldout]
    assert all("[email 1]" in row.input and "[email 1]" in row.output for row in stored)


@pytest.mark.parametrize(
    ("records", "values", "what"),
    [
        (tickets(3), {}, "3 rows that can be used"),
        ([{"input": f"{n} {n}", "output": "same"} for n in range(20)], {}, "Every row has the label 'same'"),
        ([{"input": f"{n}", "output": f"free text {n}"} for n in range(120)], {}, "120 different labels"),
        (tickets(), {"metric": "bleu"}, "metric"),
        (tickets(), {"metric": "rouge_l", "labels": ("a", "b")}, "knows no labels"),
        (tickets(), {"labels": ("Bug", "bug.")}, "two labels are the same"),
        (tickets(), {"metric": "exact", "format": "("}, "no regular expression"),
        (tickets(), {"metric": "exact", "format": r"\d+"}, "0 rows that can be used"),
        (tickets(), {"name": "../x"}, "not lower-case letters"),
        ([one | {"group": "g"} for one in tickets()], {}, "40 rows make 1 group"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_and_nothing_changes(
    rules: config.Settings,
    tmp_path: Path,
    records: list[object],
    values: dict[str, object],
    what: str,
) -> None:
    before = added(rules, lines(tmp_path / "before.jsonl", tickets())).task
    with pytest.raises(BadInput, match=what):
        added(rules, lines(tmp_path / "t.jsonl", records), **values)
    assert spec.load("triage", rules.store.data) == before
    assert [path.name for path in spec.folder(rules.store.data).iterdir()] == ["triage.toml"]


def test_rows_that_were_held_out_stay_so_when_a_task_gets_more(
    rules: config.Settings, tmp_path: Path
) -> None:
    first = added(rules, lines(tmp_path / "a.jsonl", tickets(40))).rows
    later = added(rules, lines(tmp_path / "b.jsonl", tickets(80))).rows
    assert {row.input for row in first.heldout} <= {row.input for row in later.heldout}


def test_an_unknown_task_is_refused_with_those_that_there_are(data: Path) -> None:
    with pytest.raises(NotFound, match="answer, documents, general, routing, summary, triage"):
        spec.load("nonsense", data)


def test_a_file_that_is_no_task_is_named(data: Path) -> None:
    spec.folder(data).mkdir()
    (spec.folder(data) / "odd.toml").write_text('metric = "speed"\nsource = "tags"\n')
    with pytest.raises(BadInput, match=r"odd cannot be used: metric.*Metrics are accuracy"):
        spec.load("odd", data)
    (spec.folder(data) / "odd.toml").write_text("metric = ")
    with pytest.raises(BadInput, match="is not TOML"):
        spec.load("odd", data)
