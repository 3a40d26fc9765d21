"""Models are compared on the team's own questions; the smallest that is good enough is recommended."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
from sqlalchemy import Engine

from builder import choose
from builder.choose import Candidate, compare, recommend
from lorekeeper import hardware

CLUSTERS = [f"C/{number}" for number in range(40)]


def candidate(name: str, parameters: int, bits: float, *, spread: float = 0.1) -> Candidate:
    scores = tuple(bits + spread * math.sin(parameters + 7 * number) for number in range(40))
    return Candidate(
        name=name, parameters=parameters, on_disk=1, licence="MIT", bits=scores, f1=(0.5,),
        answers=("a",), reads=1.0, writes=1.0, serving=1, training=1,
    )  # fmt: skip


def test_the_smallest_that_is_as_good_as_the_best_is_recommended() -> None:
    tiny_, small, large = (
        candidate("tiny", 10**7, 2.0), candidate("small", 10**9, 1.001), candidate("large", 10**10, 1.0),
    )  # fmt: skip
    name, why = recommend([large, tiny_, small], CLUSTERS, 0.05)
    assert name == "small"
    assert "smallest that is not significantly worse than the best, large" in why
    assert "tiny is worse (+0.989 bits per byte" in why


def test_the_best_is_recommended_where_every_smaller_one_is_worse() -> None:
    name, why = recommend(
        [candidate("small", 10**8, 1.5), candidate("large", 10**9, 1.0)], CLUSTERS, 0.05
    )
    assert (name, "the best of 2 at 1.0" in why) == ("large", True)


def test_little_evidence_is_said_to_be_little() -> None:
    few = [f"C/{number % 4}" for number in range(40)]
    assert "little evidence" in recommend([candidate("one", 10**8, 1.5)], few, 0.05)[1]
    assert recommend([], CLUSTERS, 0.05) == ("", "None of these models can be used.")


def test_models_are_asked_the_held_out_questions_and_those_that_cannot_be_are_named(
    engine: Engine, data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoTokenizer

    tiny.approve(engine, 24)
    bare = tiny.save_model(tmp_path / "bare")
    tokenizer = AutoTokenizer.from_pretrained(bare)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(bare)
    (bare / "chat_template.jinja").unlink()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{")
    (broken / "model.safetensors").write_bytes(b"")
    (base / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    rules = tiny.settings(data, base)
    names = [str(base), str(bare), str(broken), "nowhere at all"]
    found = compare(engine, rules, names, by="me")
    (one,) = found.candidates
    assert found.recommended == one.name == str(base)
    assert one.licence == "apache-2.0"
    assert len(one.bits) == len(found.questions) == 5
    # A random model over bytes costs about 8 bits a byte, and the turn's end a little more.
    assert one.mean_bits == pytest.approx(8.2, abs=0.4)
    assert one.reads > 0
    assert "no chat template" in found.unusable[str(bare)]
    assert "cannot be loaded" in found.unusable[str(broken)]
    assert "There is no model" in found.unusable["nowhere at all"]

    monkeypatch.setattr(hardware, "free_memory", lambda: 1000)
    refused = compare(engine, rules, [str(base)], by="me")
    assert "are free" in refused.unusable[str(base)]
    assert refused.recommended == ""


def test_a_larger_model_of_the_same_bits_is_not_recommended() -> None:
    small = candidate("small", 10**8, 1.0)
    assert recommend([replace(small, name="large", parameters=10**9), small], CLUSTERS, 0.05)[
        0
    ] == ("small")


def test_a_licence_is_read_from_card_package_or_file(tmp_path: Path) -> None:
    assert choose.licence("folder", tmp_path) == "not stated"
    (tmp_path / "LICENSE").write_text("MIT License\n\nCopyright")
    assert choose.licence("folder", tmp_path) == "MIT License"
    assert choose.licence("package:rich", tmp_path) == "MIT"
