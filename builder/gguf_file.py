"""A folder with a Llama, Qwen2 or Qwen3 model in safetensors in; the same as one GGUF file, read back and compared, out.

The format is llama.cpp's (github.com/ggml-org/ggml/blob/master/docs/gguf.md). Matrices are stored in 16
bits and vectors in 32. Of a Llama, the rows of the query and key projections are interleaved, as its
rotary embedding pairs neighbours there where transformers pairs halves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lorekeeper.errors import BadInput

_FAMILIES = {"LlamaForCausalLM": "llama", "Qwen2ForCausalLM": "qwen2", "Qwen3ForCausalLM": "qwen3"}
_PAIRS_NEIGHBOURS = {"llama"}
_PROBE = "The quick brown fox jumps over the lazy dog."
_NEAR = 0.02  # nats per token that 16 bits may cost; a wrong row order costs whole nats


def refuse_other(model: Path) -> None:
    """Raises BadInput when the model, or its tokenizer, is of a kind that is not written here."""
    config = _read(model / "config.json")
    kinds = config.get("architectures") or ["nothing"]
    rope = (config.get("rope_parameters") or config.get("rope_scaling") or {}).get("rope_type")
    told = _read(model / "tokenizer.json")
    words = told["model"]
    reasons = {
        f"it is a {kinds[0]}": kinds[0] not in _FAMILIES,
        f"it stretches its positions ({rope})": rope not in {None, "default"},
        f"its tokenizer is no byte-level BPE ({words.get('type')})": words.get("type") != "BPE"
        or words.get("byte_fallback"),
        "its tokenizer cuts text in a way that is not known here": _cut(told) is None,
    }
    if found := [reason for reason, holds in reasons.items() if holds]:
        raise BadInput(
            f"This model cannot be written as GGUF here: {'; '.join(found)}. Known are"
            f" {', '.join(_FAMILIES)}.",
            fix="Leave --gguf out, and convert the folder with llama.cpp's convert_hf_to_gguf.py.",
        )


def write(model: Path, target: Path, *, name: str) -> None:
    """Raises BadInput when what is read back is not the same model."""
    import gguf

    config = _read(model / "config.json")
    family = _FAMILIES[config["architectures"][0]]
    writer = gguf.GGUFWriter(target, family)
    _shape(writer, config, name)
    _words(writer, model, config["vocab_size"])
    _weights(writer, model, config, family)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    _refuse_different(model, target)


def _shape(writer: Any, config: dict[str, Any], name: str) -> None:
    heads = config["num_attention_heads"]
    rope = config.get("rope_parameters") or {}
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads", heads))
    size = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_rope_dimension_count(size)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_freq_base(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(1)  # mostly 16 bits


def _words(writer: Any, model: Path, count: int) -> None:
    """As many tokens as the model has rows for; a tokenizer may have fewer."""
    import gguf
    from transformers import AutoTokenizer

    told = _read(model / "tokenizer.json")
    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    added = {each["id"]: each["special"] for each in told.get("added_tokens", ())}
    by_id = {place: word for word, place in tokenizer.get_vocab().items()}

    def kind(place: int) -> Any:
        if place not in by_id:
            return gguf.TokenType.UNUSED
        if place not in added:
            return gguf.TokenType.NORMAL
        return gguf.TokenType.CONTROL if added[place] else gguf.TokenType.USER_DEFINED

    merges = told["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_cut(told))
    writer.add_token_list([by_id.get(place, f"[PAD{place}]") for place in range(count)])
    writer.add_token_types([kind(place) for place in range(count)])
    writer.add_token_merges([each if isinstance(each, str) else " ".join(each) for each in merges])
    for add, value in (
        (writer.add_bos_token_id, tokenizer.bos_token_id),
        (writer.add_eos_token_id, tokenizer.eos_token_id),
        (writer.add_pad_token_id, tokenizer.pad_token_id),
    ):
        if value is not None:
            add(value)
    writer.add_add_bos_token(False)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _cut(told: Mapping[str, Any]) -> str | None:
    """llama.cpp's name for how the tokenizer cuts text before it joins bytes; the digits tell it."""
    given = told.get("pre_tokenizer") or {}
    parts = given.get("pretokenizers", [given])
    match [part.get("type") for part in parts]:
        case ["ByteLevel"] if parts[0].get("use_regex", True):
            return "gpt-2"
        case ["Digits", "ByteLevel"] if parts[0].get("individual_digits"):
            return "smollm"
        case ["Split", "ByteLevel"]:
            pattern = parts[0]["pattern"].get("Regex", "")
            by_three, alone = r"\p{N}{1,3}" in pattern, r"|\p{N}|" in pattern
            return "llama-bpe" if by_three else "qwen2" if alone else None
    return None


def _weights(writer: Any, model: Path, config: dict[str, Any], family: str) -> None:
    import gguf
    import torch
    from safetensors import safe_open

    kind = next(each for each, name in gguf.MODEL_ARCH_NAMES.items() if name == family)
    names = gguf.get_tensor_name_map(kind, config["num_hidden_layers"])
    heads = config["num_attention_heads"]
    rows = {"q_proj": heads, "k_proj": config.get("num_key_value_heads", heads)}
    if family not in _PAIRS_NEIGHBOURS:
        rows = {}
    for path in sorted(model.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - safetensors' file is no mapping
                weights = file.get_tensor(name)
                projection = name.split(".")[-2]
                if projection in rows:
                    weights = _interleaved(weights, rows[projection])
                kept = torch.float32 if weights.ndim == 1 else torch.float16
                called = names.get_name(name, try_suffixes=(".weight", ".bias"))
                writer.add_tensor(called, weights.to(kept).numpy())


def _interleaved(weights: Any, heads: int) -> Any:
    """Rows of each head from (first half, second half) to (first, second, first, second, …)."""
    halves = weights.reshape(heads, 2, weights.shape[0] // heads // 2, -1)
    return halves.transpose(1, 2).reshape(weights.shape)


def _refuse_different(model: Path, written: Path) -> None:
    """Mean distance of the log-probabilities of what the probe really says, token by token."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokens = AutoTokenizer.from_pretrained(model, local_files_only=True)(
        _PROBE, return_tensors="pt"
    )["input_ids"]

    def likelihoods(**where: Any) -> Any:
        loaded = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
        with torch.inference_mode():
            odds = loaded.eval()(tokens).logits.log_softmax(-1)
        return odds[:, :-1].gather(-1, tokens[:, 1:, None])

    ours = likelihoods(pretrained_model_name_or_path=model)
    theirs = likelihoods(
        pretrained_model_name_or_path=str(written.parent),
        gguf_file=written.name,
        quantization_config=GgufConfig(dequantize=True),
    )
    if (apart := float((ours - theirs).abs().mean())) > _NEAR:
        raise BadInput(
            f"The GGUF file says something else than the model: {apart:.3f} nats a token apart.",
            fix="Leave --gguf out, and convert the folder with llama.cpp's convert_hf_to_gguf.py.",
        )


def _read(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told
