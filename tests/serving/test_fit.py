"""An adapter that does not fit what is served is refused before the engine is asked, in words that name the value."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Adapter, Evaluation, Outcome, Verdict
from lorekeeper.errors import BadInput, NotFound
from lorekeeper.identity import Identity
from serving import fit
from tests.serving.conftest import save_adapter

SERVED = Identity(base="a" * 64, chat_template="b" * 64, tokenizer="c" * 64)
BASE = fit.Base(name="tiny", identity=SERVED, max_rank=16)


def adapter(artifacts: ArtifactStore, *, trained_on: object = None, **config: object) -> Adapter:
    about = {"trained_on": trained_on} if trained_on is not None else {}
    with artifacts.write("adapters", about) as draft:
        save_adapter(draft.path, 1, **config)
    scores = Evaluation(questions=(), references=(), conversations=(), arms=(), precision="float32")
    return Adapter(
        id=3, name="v3", run_id=1, dataset_id=1, base_model="tiny", hash=draft.hash,
        folder=draft.folder, rank=8, evaluation=scores,
        verdict=Verdict(outcome=Outcome.KEEP, reasons=()), created_at=0.0,
    )  # fmt: skip


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path)


def test_what_fits_is_given_back_as_a_folder(artifacts: ArtifactStore) -> None:
    told = {"base": "a" * 64, "chat_template": "b" * 64, "tokenizer": "c" * 64}
    made = adapter(artifacts, trained_on=told)
    assert fit.refuse(made, artifacts, BASE) == artifacts.open(made.folder)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"r": 64}, "its rank is 64, and the engine takes 16"),
        ({"rank_pattern": {"q_proj": 32}}, "its rank is 32"),
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "biases"),
        ({"target_modules": ["q_proj", "lm_head"]}, "it changes lm_head"),
        ({"peft_type": "LOHA"}, "LOHA"),
    ],
)
def test_what_vllm_refuses_is_refused_before(
    artifacts: ArtifactStore, config: dict[str, object], said: str
) -> None:
    with pytest.raises(BadInput, match=said) as told:
        fit.refuse(adapter(artifacts, **config), artifacts, BASE)
    assert "v3" in told.value.what


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("base", "base model's weights"),
        ("chat_template", "chat template"),
        ("tokenizer", "tokenizer"),
    ],
)
def test_another_base_is_named_with_both_hashes(
    artifacts: ArtifactStore, part: str, said: str
) -> None:
    told = {"base": "a" * 64, "chat_template": "b" * 64, "tokenizer": "c" * 64, part: "f" * 64}
    with pytest.raises(BadInput, match=f"{said} \\(ffffffffffff in training"):
        fit.refuse(adapter(artifacts, trained_on=told), artifacts, BASE)


def test_another_base_by_name_is_refused(artifacts: ArtifactStore) -> None:
    with pytest.raises(BadInput, match="was trained on tiny, and other is served"):
        fit.refuse(adapter(artifacts), artifacts, replace(BASE, name="other"))


def test_a_folder_that_was_cut_off_is_refused(artifacts: ArtifactStore) -> None:
    made = adapter(artifacts)
    weights = artifacts.open(made.folder) / fit.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(BadInput, match=r"adapter_model\.safetensors"):
        fit.refuse(made, artifacts, BASE)


def test_a_folder_that_is_not_there_is_told(artifacts: ArtifactStore) -> None:
    with pytest.raises(NotFound, match="adapters/gone"):
        fit.refuse(replace(adapter(artifacts), folder="adapters/gone"), artifacts, BASE)
