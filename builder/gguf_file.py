"""A folder with a Llama model in safetensors in; the same as one GGUF file, read back and compared, out.

The format is llama.cpp's (github.com/ggml-org/ggml/blob/master/docs/gguf.md). Matrices are stored in 16
bits and vectors in 32; the rows of the query and key projections are interleaved, as its rotary
embedding pairs neighbours where transformers pairs halves.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lorekeeper.errors import BadInput

_ARCHITECTURE = "LlamaForCausalLM"
_PROBE = "The quick brown fox jumps over the lazy dog."
_NEAR = 0.02  # nats per token that 16 bits may cost; a wrong row order costs whole nats


def refuse_other(model: Path) -> None:
    """Raises BadInput when the model, or its tokenizer, is of a kind that is not written here."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    kinds = config.get("architectures") or ["nothing"]
    words = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    if kinds != [_ARCHITECTURE] or words.get("type") != "BPE" or words.get("byte_fallback"):
        raise BadInput(
            f"GGUF is written of {_ARCHITECTURE} with a byte-level BPE, and this is {kinds[0]} with"
            f" {words.get('type')}.",
            fix="Leave --gguf out, and convert the folder with llama.cpp's convert_hf_to_gguf.py.",
        )


def write(model: Path, target: Path, *, name: str) -> None:
    """Raises BadInput when what is read back is not the same model."""
    import gguf

    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    writer = gguf.GGUFWriter(target, "llama")
    _shape(writer, config, name)
    _words(writer, model)
    _weights(writer, model, config)
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
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_rope_freq_base(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(1)  # mostly 16 bits


def _words(writer: Any, model: Path) -> None:
    import gguf
    from transformers import AutoTokenizer

    told = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    special = {each["id"] for each in told.get("added_tokens", ()) if each["special"]}
    by_id = {place: word for word, place in tokenizer.get_vocab().items()}
    kinds = [
        gguf.TokenType.CONTROL if place in special else gguf.TokenType.NORMAL
        for place in range(len(by_id))
    ]
    merges = told["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([by_id[place] for place in range(len(by_id))])
    writer.add_token_types(kinds)
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


def _weights(writer: Any, model: Path, config: dict[str, Any]) -> None:
    import gguf
    import torch
    from safetensors import safe_open

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    heads = config["num_attention_heads"]
    rows = {"q_proj": heads, "k_proj": config.get("num_key_value_heads", heads)}
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
    size, width = weights.shape
    halves = weights.reshape(heads, 2, size // heads // 2, width)
    return halves.transpose(1, 2).reshape(size, width)


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
