"""A model is what its files hold, not what its folder is called."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from lorekeeper import identity


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    save_file({"w": numpy.ones(4, numpy.float32)}, made / "model.safetensors")
    (made / "config.json").write_text(json.dumps({"hidden_size": 4, "transformers_version": "1"}))
    (made / "tokenizer.json").write_text("{}")
    (made / "chat_template.jinja").write_text("{{ messages }}")
    return made


def test_a_copy_under_another_name_is_the_same(folder: Path, tmp_path: Path, data: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "config.json").write_text(json.dumps({"hidden_size": 4, "transformers_version": "2"}))
    assert identity.of(copy, data) == identity.of(folder, data)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("config.json", "base"),
        ("tokenizer.json", "tokenizer"),
        ("chat_template.jinja", "chat_template"),
    ],
)
def test_a_changed_file_changes_its_part_alone(
    folder: Path, data: Path, name: str, part: str
) -> None:
    before = identity.of(folder, data)
    (folder / name).write_text('{"hidden_size": 8}')
    after = identity.of(folder, data)
    parts = ("base", "chat_template", "tokenizer")
    assert [each for each in parts if getattr(before, each) != getattr(after, each)] == [part]


def test_changed_weights_are_noticed_though_the_hash_was_kept(folder: Path, data: Path) -> None:
    before = identity.of(folder, data)
    assert identity.of(folder, data) == before
    save_file({"w": numpy.zeros(5, numpy.float32)}, folder / "model.safetensors")
    after = identity.of(folder, data)
    assert after.base != before.base
    told = {"base": before.base, "tokenizer": before.tokenizer}
    (said,) = identity.differences(told, after)
    assert before.base[:12] in said
    assert after.base[:12] in said


def test_what_says_nothing_of_its_base_has_no_difference(folder: Path, data: Path) -> None:
    assert identity.differences({}, identity.of(folder, data)) == []
