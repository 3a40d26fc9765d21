"""What a base rehearses is its own, fit to learn from, written once, and asked for where the last run forgot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny

from builder.guards import forgetting, replay
from builder.guards.general import prompts
from builder.recipes import Recipe
from builder.scoring import Judged, Written, load_base
from lorekeeper.domain import Evaluation, Probe
from lorekeeper.settings import Train

GOOD = "The sea was calm, and the boats came home before it was dark."


def test_nothing_is_rehearsed_that_is_measured() -> None:
    asked = prompts(replay.MOST)
    assert len(asked) == len(set(asked)) == replay.MOST
    assert prompts(10) == asked[:10]
    probes = {one.question for kind in forgetting.KINDS for one in forgetting.questions(kind, 99)}
    assert probes.isdisjoint(asked)


@pytest.mark.parametrize(
    ("told", "stopped"),
    [
        (GOOD, False),
        ("", True),
        ("?!", True),
        ("and so on " * 20, True),
        ("Das Meer war ruhig, und die Boote kamen vor der Nacht nach Hause zurück.", True),
    ],
)
def test_what_is_not_fit_to_learn_from_is_left_out(told: str, stopped: bool) -> None:
    assert not replay.is_fit("Write about the sea.", Written(text=told, stopped=stopped, seconds=1))


def test_a_translation_is_to_be_in_the_language_asked_for() -> None:
    french = Written(text="Le magasin ouvre à dix heures du matin.", stopped=True, seconds=1)
    assert replay.is_fit("Translate into French: The shop opens at ten.", french)
    assert not replay.is_fit("What is a shop?", french)
    assert replay.is_fit("Write about the sea.", Written(text=GOOD, stopped=True, seconds=1))


def test_answers_are_written_once_for_a_base(
    data: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny.settings(data, base)
    monkeypatch.setattr(replay, "is_fit", lambda question, told: True)
    monkeypatch.setattr(replay, "TOKENS", 4)
    loads: list[Judged] = []

    def load() -> Judged:
        loads.append(load_base(base, settings))
        return loads[-1]

    found = replay.rows(base, settings, 30, load)
    assert [question for question, _ in found] == prompts(30)
    assert len(loads) == 1
    assert replay.rows(base, settings, 30, load) == found
    assert replay.rows(base, settings, 5, load) == found[:5]
    assert replay.rows(base, settings, 0, load) == []
    assert len(loads) == 1


def test_it_is_rehearsed_where_the_last_run_of_the_base_forgot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = Evaluation(
        questions=(), references=(), conversations=(), arms=(), precision="float32",
        probes=(Probe(kind="reasoning", before=(1.0,) * 9, after=(1.0,) * 9),),
    )  # fmt: skip
    forgot = replace(kept, probes=(replace(kept.probes[0], after=(1.5,) * 9),))
    run: Any = SimpleNamespace(id=5, base_model="a")

    def share(*earlier: tuple[int, str, Evaluation], recipe: Recipe = Recipe()) -> float:  # noqa: B008
        made = [SimpleNamespace(run_id=i, base_model=b, evaluation=e) for i, b, e in earlier]
        monkeypatch.setattr(replay.adapters, "all", lambda db: made)
        return replay.share(None, run, recipe, Train())  # type: ignore[arg-type]

    assert share() == 0.0
    assert share((1, "a", kept), (2, "a", forgot)) == replay.SHARE
    assert share((1, "a", forgot), (2, "a", kept)) == 0.0
    assert share((2, "b", forgot)) == 0.0
    assert share((9, "a", forgot)) == 0.0
    assert share((2, "a", forgot), recipe=Recipe(rehearse=0)) == 0.0
    assert share(recipe=Recipe(rehearse=0.3)) == 0.3
