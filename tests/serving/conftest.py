"""What tests of serving share: a tiny model made here, adapters of it, and an assistant before a scripted engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Passage, PassageKind
from lorekeeper.settings import Retrieval, Serving
from retrieval.embed import HashingEmbedder
from retrieval.index import Index, build
from retrieval.sources import passage
from serving.assistant import Assistant
from serving.fake_engine import FakeEngine, Script

WORDS = [
    "system",
    "user",
    "assistant",
    "how",
    "do",
    "we",
    "deploy",
    "run",
    "make",
    "ship",
    "from",
    "main",
    "branch",
    "backup",
    "the",
    "a",
]
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} {{ message['content'] }} </s> "
    "{% endfor %}{% if add_generation_prompt %}assistant {% endif %}"
)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers with random weights, and a tokenizer of a few words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("tiny")
    names = ["<unk>", "<s>", "</s>", *WORDS, *(f"w{number}" for number in range(100))]
    raw = Tokenizer(
        models.WordLevel({name: place for place, name in enumerate(names)}, unk_token="<unk>")
    )
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(names), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
        bos_token_id=1, eos_token_id=2, pad_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_adapter(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Adapters of the tiny model that change what it says; the seed tells them apart."""

    def make(seed: int) -> Path:
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM

        torch.manual_seed(seed)
        base = AutoModelForCausalLM.from_pretrained(tiny)
        config = LoraConfig(
            r=8, lora_alpha=64, target_modules=["q_proj", "v_proj", "down_proj"],
            init_lora_weights=False, task_type="CAUSAL_LM",
        )  # fmt: skip
        folder = tmp_path_factory.mktemp(f"adapter{seed}")
        get_peft_model(base, config).save_pretrained(folder)
        return folder

    return make


@pytest.fixture
def speak() -> Iterator[Callable[[Script], FakeEngine]]:
    """Starts scripted engines; they end with the test."""
    running: list[FakeEngine] = []

    def start(script: Script) -> FakeEngine:
        running.append(FakeEngine(script).__enter__())
        return running[-1]

    yield start
    for each in running:
        each.__exit__(None, None, None)


def save_adapter(folder: Path, mark: int, **config: object) -> None:
    """The two files of an adapter that engines would take; `mark` makes it one of its kind."""
    weights = {"base_model.model.q_proj.lora_A.weight": numpy.full((8, 4), mark, numpy.float32)}
    told = {"peft_type": "LORA", "r": 8, "target_modules": ["q_proj"], "bias": "none"} | config
    save_file(weights, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(told))


def said(
    text: str,
    *,
    scope: str = PUBLIC,
    author: str = "",
    kind: PassageKind = PassageKind.THREAD,
    conversation: str = "C1/1.0",
) -> Passage:
    return passage(
        kind=kind, text=text, title=text[:20], url=f"https://example.com/{conversation}",
        scope=scope, author=author, conversation=conversation, said=(conversation,),
    )  # fmt: skip


def index_of(passages: Iterable[Passage], folder: Path) -> Index:
    return build(list(passages), HashingEmbedder(), ArtifactStore(folder))


def assistant(
    search: Index,
    url: str,
    *,
    current: tuple[str, str] = ("base", "base"),
    min_evidence: float = 0.2,
    **serving: object,
) -> Assistant:
    return Assistant(
        search=search,
        engine_url=url,
        model=lambda wanted: (wanted, wanted) if wanted else current,
        retrieval=Retrieval(min_evidence=min_evidence),
        serving=Serving.model_validate({"first_token_seconds": 5.0, **serving}),
    )
