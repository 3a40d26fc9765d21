"""A tiny model with a chat template, and approved pairs: what the builder's tests train on in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from lorekeeper import settings as config
from lorekeeper.domain import PUBLIC, Origin, Pair, PairState, Run
from lorekeeper.store import pairs, runs

END = "<|im_end|>"
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer() -> Any:
    """One token a byte, and two for the turns."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(
        [AddedToken("<|im_start|>", special=True), AddedToken(END, special=True)]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END, pad_token=END)
    fast.chat_template = TEMPLATE
    return fast


def save_model(folder: Path) -> Path:
    """A random two-layer Llama with that tokenizer, as a folder of safetensors."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    # A second thread costs more than it brings on such a model, and far more on a busy machine.
    torch.set_num_threads(1)
    torch.manual_seed(1)
    words = tokenizer()
    shape = LlamaConfig(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def settings(data: Path, base: Path, **train: object) -> config.Settings:
    """Settings of a run that takes seconds."""
    rules: dict[str, object] = {
        "min_pairs": 8, "evaluation_questions": 12, "generated_answers": 1,
        "heartbeat_seconds": 0.2, "lease_seconds": 2.0, "threads": 1, "probe": False,
        "probe_rows": 2, "bias_pairs": 3, "bias_answers": 1, "recited_rows": 2, "learned_rows": 4,
        "sourced_answers": 1,
    }  # fmt: skip
    return config.Settings(
        store=config.Store(data=data),
        models=config.Models(base=str(base)),
        train=config.Train.model_validate(rules | train),
        serving=config.Serving(max_tokens=8),
    )


def claimed(engine: Engine) -> Run:
    """The run that waits, in the hands of `worker`."""
    with engine.begin() as db:
        run = runs.claim(db, "worker")
    assert run is not None
    return run


def approve(engine: Engine, count: int, *, scope: str = PUBLIC, start: int = 0) -> list[Pair]:
    """Add approved pairs, each of a conversation of its own."""
    with engine.begin() as db:
        return [_approved(db, number, scope) for number in range(start, start + count)]


def _approved(db: Any, number: int, scope: str) -> Pair:
    topic = _TOPICS[number % len(_TOPICS)]
    pair = Pair(
        id=0,
        question=f"How do I set the {topic} of service {number}?",
        answer=f"Write {topic} = {number * 7} into the settings of service {number}.",
        state=PairState.CANDIDATE,
        origin=Origin.REACTION,
        channel="C1",
        scope=scope,
        conversation=f"C1/{number}.0",
        source=f"https://example.com/{number}",
        answer_ts=f"{number}.5",
        authors=("U1", "U2"),
        captured_by="U1",
    )
    return pairs.move(db, pairs.add(db, pair), PairState.APPROVED, by="U3")


_TOPICS = (
    "timeout", "colour", "owner", "language", "region", "quota", "retry limit", "log level",
    "cache size", "port", "password policy", "time zone", "icon", "branch", "budget", "alert rule",
)  # fmt: skip
