"""A merged model says what base and adapter said together, in both formats; a bad one is refused whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from builder import gguf_file
from builder.merge import merge
from lorekeeper import identity
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Adapter, AdapterKind, Evaluation, Outcome, Verdict
from lorekeeper.errors import BadInput


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Adapter, Path]:
    """An adapter with noise in it, and the data folder that it lies in."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(2)
    data = tmp_path_factory.mktemp("data")
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    tuned = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    told = {"trained_on": {"base": identity.of(base, data).base}}
    with ArtifactStore(data).write("adapters", told) as draft:
        tuned.save_pretrained(draft.path)
    scores = Evaluation(questions=(), references=(), conversations=(), arms=(), precision="float32")
    made = Adapter(
        id=1, name="v1", run_id=7, dataset_id=1, base_model=str(base), hash=draft.hash,
        folder=draft.folder, rank=4, evaluation=scores,
        verdict=Verdict(outcome=Outcome.KEEP, reasons=("It is noise.",)), created_at=0.0,
    )  # fmt: skip
    return made, data


def scores_of(model: Any) -> Any:
    with torch.inference_mode():
        return model.eval()(torch.arange(20)[None]).logits


def test_it_says_what_base_and_adapter_say_together(
    adapter: tuple[Adapter, Path], base: Path, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made, data = adapter
    target = merge(made, data, tmp_path / "handed-on", gguf=True)
    tuned = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base), str(data / made.folder)
    )
    merged = AutoModelForCausalLM.from_pretrained(target)
    torch.testing.assert_close(scores_of(merged), scores_of(tuned), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(
        scores_of(merged), scores_of(AutoModelForCausalLM.from_pretrained(base)), atol=1e-2
    )
    words = AutoTokenizer.from_pretrained(target)
    assert words.chat_template == AutoTokenizer.from_pretrained(base).chat_template
    assert "v1" in (target / "README.md").read_text()
    assert "run 7" in (target / "README.md").read_text()
    # The file was compared when it was written; its words are the model's, too.
    again = AutoTokenizer.from_pretrained(target, gguf_file="model.gguf")
    assert again("How do we deploy?")["input_ids"] == words("How do we deploy?")["input_ids"]


def test_a_gguf_file_with_rows_in_another_order_is_noticed(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    sharp = AutoModelForCausalLM.from_pretrained(base)
    with torch.no_grad():  # random weights attend to everything alike, in whatever order
        for name, weights in sharp.named_parameters():
            weights.mul_(20.0 if "q_proj" in name or "k_proj" in name else 1.0)
    sharp.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path)
    gguf_file.write(tmp_path, tmp_path / "model.gguf", name="right")
    monkeypatch.setattr(gguf_file, "_interleaved", lambda weights, _heads: weights)
    with pytest.raises(BadInput, match="nats a token apart"):
        gguf_file.write(tmp_path, tmp_path / "wrong.gguf", name="wrong")


def test_a_folder_that_is_there_is_left_alone(
    adapter: tuple[Adapter, Path], tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(BadInput, match="is there already"):
        merge(*adapter, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_whole_model_is_refused_with_its_folder(
    adapter: tuple[Adapter, Path], tmp_path: Path
) -> None:
    made, data = adapter
    with pytest.raises(BadInput, match="v1 is a whole model") as told:
        merge(replace(made, kind=AdapterKind.MODEL), data, tmp_path / "new")
    assert made.folder in told.value.fix


def test_another_base_is_refused_and_nothing_is_written(
    adapter: tuple[Adapter, Path], base: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made, data = adapter
    other = tmp_path / "other"
    changed = AutoModelForCausalLM.from_pretrained(base)
    with torch.no_grad():
        next(changed.parameters()).add_(1.0)
    changed.save_pretrained(other)
    AutoTokenizer.from_pretrained(base).save_pretrained(other)
    with pytest.raises(BadInput, match="the base model's weights"):
        merge(replace(made, base_model=str(other)), data, tmp_path / "new" / "model")
    assert not (tmp_path / "new").exists()
