"""A GGUF file says what the folder says, whichever known family it is of; others are refused before anything is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch

from builder import gguf_file
from lorekeeper.errors import BadInput
from tests.builder import tiny

LAYERS = 2
QWEN_CUT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+"
)


def model_of(family: str, folder: Path, **more: Any) -> Path:
    """A random model of the family, with attention that is sharp enough to notice rows in another order."""
    import transformers

    words = tiny.tokenizer()
    told = {
        "vocab_size": len(words) + 6, "hidden_size": 64, "intermediate_size": 96,
        "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 512, "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id, "bos_token_id": None,
    } | more  # fmt: skip
    torch.manual_seed(4)
    config = getattr(transformers, f"{family}Config")(**told)
    made = getattr(transformers, f"{family}ForCausalLM")(config)
    with torch.no_grad():
        for name, weights in made.named_parameters():
            if "q_proj" in name or "k_proj" in name:
                weights.copy_(torch.randn_like(weights) * 0.4)
    made.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("Llama", {}),
        ("Qwen2", {}),
        ("Qwen2", {"tie_word_embeddings": True}),
        ("Qwen3", {"head_dim": 128}),  # as every Qwen3; transformers reads no other back
    ],
)
def test_it_is_read_back_as_the_same_model(
    family: str, more: dict[str, Any], tmp_path: Path
) -> None:
    model = model_of(family, tmp_path, **more)
    gguf_file.refuse_other(model)
    gguf_file.write(model, model / "model.gguf", name="ours")  # compares, or raises
    read = gguf.GGUFReader(model / "model.gguf")
    kept = {name: field.contents() for name, field in read.fields.items()}
    assert kept["general.architecture"] == family.lower()
    assert kept[f"{family.lower()}.block_count"] == LAYERS
    assert kept[f"{family.lower()}.attention.key_length"] == more.get("head_dim", 16)
    assert kept["tokenizer.ggml.pre"] == "gpt-2"
    rows = next(each for each in read.tensors if each.name == "token_embd.weight").shape[1]
    assert len(kept["tokenizer.ggml.tokens"]) == rows  # the rows that no token has are named, too
    assert kept["tokenizer.ggml.tokens"][-1] == f"[PAD{rows - 1}]"


@pytest.mark.parametrize(
    ("cut", "name"),
    [
        ({"type": "ByteLevel"}, "gpt-2"),
        ([{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel"}], "smollm"),
        ([{"type": "Split", "pattern": {"Regex": QWEN_CUT}}, {"type": "ByteLevel"}], "qwen2"),
        (
            [
                {
                    "type": "Split",
                    "pattern": {"Regex": QWEN_CUT.replace(r"\p{N}|", r"\p{N}{1,3}|")},
                },
                {"type": "ByteLevel"},
            ],
            "llama-bpe",
        ),
        ({"type": "Metaspace"}, None),
    ],
)
def test_how_text_is_cut_is_told_by_the_digits(cut: Any, name: str | None) -> None:
    given = {"type": "Sequence", "pretokenizers": cut} if isinstance(cut, list) else cut
    assert gguf_file._cut({"pre_tokenizer": given}) == name


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"architectures": ["GemmaForCausalLM"]}, "GemmaForCausalLM"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 8}}, "stretches its positions"),
    ],
)
def test_what_is_not_known_is_refused(changed: dict[str, Any], why: str, tmp_path: Path) -> None:
    model = model_of("Llama", tmp_path)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | changed))
    with pytest.raises(BadInput, match=why) as told:
        gguf_file.refuse_other(model)
    assert "convert_hf_to_gguf.py" in told.value.fix
