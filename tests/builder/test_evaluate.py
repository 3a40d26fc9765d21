"""An evaluation goes on where it was killed, and stops where it is cancelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
from sqlalchemy import Engine

from builder import candidate, dataset, evaluate, scoring
from builder.library import Library, open_library
from builder.retrain import request
from builder.scoring import Judged
from lorekeeper import prompt
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Arm
from lorekeeper.settings import Settings
from lorekeeper.store import datasets, reading

ASKED = [prompt.messages(f"What is the port of service {number}?") for number in range(12)]
ANSWERS = ["It is " + "7" * (number + 1) for number in range(12)]


class Stopped(Exception):
    """Somebody asked for it."""


@pytest.fixture(scope="module")
def judged(base: Path) -> Judged:
    return load(base)


def load(folder: Path) -> Judged:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return Judged(
        model=AutoModelForCausalLM.from_pretrained(folder).eval(),
        tokenizer=AutoTokenizer.from_pretrained(folder),
        precision="float32",
        max_tokens=8,
    )


@pytest.fixture
def given(data: Path, base: Path, engine: Engine) -> tuple[Library, Any, Settings]:
    tiny.approve(engine, 24)
    settings = tiny.settings(data, base)
    run = request(engine, settings, by="me", recipe="lora", options={})
    with reading(engine) as db:
        frozen = datasets.get(db, run.dataset_id)
    folder = ArtifactStore(data).open(frozen.folder)
    train, heldout = (dataset.read(folder, split) for split in (datasets.TRAIN, datasets.HELDOUT))
    return open_library(engine, settings, train, heldout), (train, heldout), settings


@pytest.fixture
def alike(judged: Judged) -> Judged:
    """A model that was trained whole and is still its base."""
    return replace(judged, model=candidate.Whole(judged.model, judged.model))


def test_a_model_that_is_its_base_is_neither_better_nor_worse(alike: Judged, given: Any) -> None:
    library, (train, heldout), settings = given
    found = evaluate.evaluate(alike, library, heldout, rules=settings.train, trained=train)
    assert found.arm(Arm.TUNED).nll == pytest.approx(found.arm(Arm.BASE).nll)
    assert {probe.kind: probe.before for probe in found.probes} == {
        probe.kind: pytest.approx(probe.after) for probe in found.probes
    }
    assert set(found.arm(Arm.RETRIEVAL).measures) >= {"rouge_l", "similarity", "stopped"}
    assert len(found.arm(Arm.BASE).measures["rouge_l"]) == len(found.arm(Arm.BASE).answers)
    assert found.learned is not None
    assert found.learned.before == pytest.approx(found.learned.after)


def test_what_was_finished_before_a_kill_is_not_done_again(
    alike: Judged, given: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, (train, heldout), settings = given
    folders = {"work": tmp_path / "work", "shared": tmp_path / "shared"}
    said: list[str] = []

    def killed_at_memory(done: int, of: int, what: str) -> None:
        said.append(what)
        if what == "tuned: scoring training rows":
            raise Stopped

    with pytest.raises(Stopped):
        evaluate.evaluate(
            alike, library, heldout, rules=settings.train, trained=train,
            report=killed_at_memory, **folders,
        )  # fmt: skip
    again: list[tuple[int, int, str]] = []
    found = evaluate.evaluate(
        alike, library, heldout, rules=settings.train, trained=train,
        report=lambda *told: again.append(told), **folders,
    )  # fmt: skip
    assert again[0][2] == "tuned: scoring training rows"
    assert again[-1][0] == again[-1][1]
    whole = evaluate.evaluate(alike, library, heldout, rules=settings.train, trained=train)
    seconds = {"seconds"}
    for arm in Arm:
        assert found.arm(arm).nll == pytest.approx(whole.arm(arm).nll)
        assert set(found.arm(arm).measures) - seconds == set(whole.arm(arm).measures) - seconds
    assert found.bias == whole.bias


def test_what_is_true_of_the_base_is_measured_once_for_all_runs(
    alike: Judged, given: Any, tmp_path: Path
) -> None:
    library, (train, heldout), settings = given
    said: list[str] = []
    for run in ("1", "2"):
        said.clear()
        evaluate.evaluate(
            alike, library, heldout, rules=settings.train, trained=train,
            work=tmp_path / run, shared=tmp_path / "shared",
            report=lambda done, of, what: said.append(what),
        )  # fmt: skip
    assert "tuned: asking general questions (refusal)" in said
    assert not [what for what in said if what.startswith("base: asking")]


def test_losses_do_not_depend_on_the_batch(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    together = scoring.score(judged, ASKED, ANSWERS)
    alone = [
        scoring.score(judged, [asked], [said])[0]
        for asked, said in zip(ASKED, ANSWERS, strict=True)
    ]
    assert together == pytest.approx(alone, abs=1e-5)
    monkeypatch.setattr(scoring, "SHARED", 10_000)  # nothing is computed once
    assert scoring.score(judged, ASKED, ANSWERS) == pytest.approx(alone, abs=1e-5)


def test_batches_are_bounded_whatever_the_number_of_rows(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scoring.write(judged, ASKED)
    done: list[int] = []
    monkeypatch.setattr(scoring, "CACHE", 3 * scoring._bytes_a_token(judged.model) * 200)
    monkeypatch.setattr(scoring, "LOGITS", 1)
    parts = scoring.write(judged, ASKED, alive=done.append)
    assert [one.text for one in parts] == [one.text for one in whole]
    assert max(done) < len(ASKED)
    assert sum(done) == len(ASKED)
    done.clear()
    scoring.score(judged, ASKED, ANSWERS, done.append)
    assert done == [1] * len(ASKED)


def test_an_answer_that_is_being_written_can_be_stopped(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "EVERY", 0.0)
    told: list[int] = []

    def alive(rows: int) -> None:
        told.append(rows)
        if len(told) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        scoring.write(judged, ASKED, alive=alive)
    assert told == [0, 0, 0]


def test_an_answer_that_ends_by_itself_is_told_from_one_that_is_cut_off(base: Path) -> None:
    import torch

    model = load(base)
    (cut,) = scoring.write(model, ASKED[:1])
    assert not cut.stopped
    end = model.tokenizer.eos_token_id
    with torch.no_grad():
        model.model.lm_head.weight.zero_()  # every token is as likely: the first of them is chosen
        model.model.generation_config.eos_token_id = [0, end]
    (ended,) = scoring.write(model, ASKED[:1])
    assert ended.stopped
