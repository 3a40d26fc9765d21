"""A model and prompts in; the loss of reference answers, or greedy answers, out.

Losses and answers are separate passes. Memory is bounded whatever the number of rows: batches are
made of rows of like length, and what all rows of a batch begin with is computed once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder import encode, shards
from builder.launch import processes
from lorekeeper import models
from lorekeeper.prompt import Turn
from lorekeeper.settings import Settings

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

BATCH_TOKENS = 4096  # prompt and answer tokens that are computed at once
LOGITS = 512 * 2**20  # bytes that the logits of one batch may take
CACHE = 2 * 2**30  # bytes that keys and values of one batch may take
SHARED = 16  # tokens that rows must begin with alike for these to be computed once
EVERY = 1.0  # seconds between two signs of life while answers are written

Alive = Callable[[int], None]  # rows that were finished since the last call; raises to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A model, with an adapter on it or without one, and what is needed to ask it."""

    model: Any
    tokenizer: PreTrainedTokenizerBase
    precision: str
    max_tokens: int  # of a generated answer

    @contextmanager
    def base(self) -> Iterator[Judged]:
        """The same model with the adapter switched off."""
        with self.model.disable_adapter():
            yield self

    @contextmanager
    def tuned(self) -> Iterator[Judged]:
        """The model with the adapter, as it is."""
        yield self


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A greedy answer."""

    text: str
    stopped: bool  # it ended by itself, not at the limit
    seconds: float  # of its batch, divided among the batch's answers


def load_base(base: Path, settings: Settings) -> Judged:
    """A model as it is served, with no adapter."""
    from transformers import AutoTokenizer

    precision = models.served_precision(settings)
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base)
    return Judged(
        model=load_served(base, precision),
        tokenizer=tokenizer,
        precision=precision,
        max_tokens=settings.serving.max_tokens,
    )


def load_judged(base: Path, adapter: Path | None, settings: Settings) -> Judged:
    """The base as it is served, never quantised for this, with the adapter on it if there is one."""
    from peft import PeftModel

    judged = load_base(base, settings)
    if adapter is None:
        return judged
    tuned = PeftModel.from_pretrained(judged.model, adapter, adapter_name="new")
    return replace(judged, model=_placed(tuned).eval())


def load_served(folder: Path, precision: str) -> Any:
    """The weights alone, where they are computed with: what was trained in shares, on all GPUs that are seen."""
    import torch
    from transformers import AutoModelForCausalLM

    shards.let_go()
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, precision),
        use_safetensors=True,
        device_map="auto" if processes.is_sharded() and torch.cuda.device_count() > 1 else None,
    )
    return _placed(model).eval()


def _placed(model: Any) -> Any:
    """On the GPU where there is one; as it is where it lies on several."""
    import torch

    if hasattr(model, "hf_device_map"):
        return model
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def wearing(judged: Judged, folder: Path) -> Iterator[None]:
    """Another adapter instead of the run's own, for a while."""
    before = judged.model.active_adapter
    judged.model.load_adapter(folder, adapter_name="beside")
    judged.model.set_adapter("beside")
    try:
        yield
    finally:
        judged.model.set_adapter(before)
        judged.model.delete_adapter("beside")


def score(
    judged: Judged,
    prompts: Sequence[Sequence[Turn]],
    references: Sequence[str],
    alive: Alive = lambda done: None,
) -> list[float]:
    """Nats per token of each reference answer, its end of turn included; lower is better."""
    rows = [
        encode.example(number, messages, reference, judged.tokenizer)
        for number, (messages, reference) in enumerate(zip(prompts, references, strict=True))
    ]
    found: dict[int, float] = {}
    for batch in _batches(rows, judged.model):
        for row, loss in zip(batch, _losses(judged, batch), strict=True):
            found[row.pair_id] = loss
        alive(len(batch))
    return [found[number] for number in range(len(rows))]


def answer(
    judged: Judged,
    prompts: Sequence[Sequence[Turn]],
    *,
    most: int | None = None,
    alive: Alive = lambda done: None,
) -> list[str]:
    """Greedy answers of at most `most` tokens, as they would be served."""
    return [one.text for one in write(judged, prompts, most=most, alive=alive)]


def write(
    judged: Judged,
    prompts: Sequence[Sequence[Turn]],
    *,
    most: int | None = None,
    alive: Alive = lambda done: None,
) -> list[Written]:
    """Greedy answers, with whether each ended by itself."""
    most = most or judged.max_tokens
    ids = [encode.prompt_ids(messages, judged.tokenizer) for messages in prompts]
    found: dict[int, Written] = {}
    for places in _to_write(ids, most, judged.model):
        written = _written(judged, [ids[place] for place in places], most, alive)
        found |= dict(zip(places, written, strict=True))
        alive(len(places))
    return [found[place] for place in range(len(ids))]


def _losses(judged: Judged, batch: Sequence[encode.Example]) -> list[float]:
    """Mean cross entropy over the learned tokens of each row."""
    import torch

    shared = _shared(batch)
    rows = [list(row.input_ids[shared:]) for row in batch]
    device = judged.model.device
    inputs, mask = _left_padded(rows, _pad(judged.tokenizer), device)
    labels, _ = _left_padded([list(row.labels[shared:]) for row in batch], encode.IGNORED, device)
    keep = max(row.learned for row in batch) + 1  # answers stand at the end of every row
    with torch.inference_mode():
        logits = judged.model(
            input_ids=inputs,
            attention_mask=torch.cat([mask.new_ones(len(batch), shared), mask], dim=1),
            position_ids=shared + (mask.cumsum(-1) - 1).clamp(min=0),
            logits_to_keep=keep,
            **_begun(judged, batch, shared),
        ).logits[:, :-1]
        wanted = labels[:, -keep:][:, 1:]
        losses = torch.nn.functional.cross_entropy(
            logits.float().transpose(1, 2), wanted, ignore_index=encode.IGNORED, reduction="none"
        )
        counts = (wanted != encode.IGNORED).sum(-1)
        means: list[float] = (losses.sum(-1) / counts).tolist()
    return means


def _begun(judged: Judged, batch: Sequence[encode.Example], shared: int) -> dict[str, Any]:
    """Keys and values of what all rows begin with, computed once."""
    import torch
    from transformers import DynamicCache

    if not shared:
        return {"use_cache": False}
    begun = DynamicCache(config=judged.model.config)
    first = torch.tensor([batch[0].input_ids[:shared]], device=judged.model.device)
    judged.model(input_ids=first, past_key_values=begun, use_cache=True, logits_to_keep=1)
    begun.batch_repeat_interleave(len(batch))
    return {"past_key_values": begun, "use_cache": True}


def _shared(batch: Sequence[encode.Example]) -> int:
    """How many tokens all rows begin with alike, short of the last one before any answer."""
    if len(batch) < 2:
        return 0
    most = min(len(row.input_ids) - row.learned for row in batch) - 1
    count = encode.alike([row.input_ids for row in batch], most)
    return count if count >= SHARED else 0


def _written(judged: Judged, ids: Sequence[list[int]], most: int, alive: Alive) -> list[Written]:
    import torch

    inputs, mask = _left_padded(ids, _pad(judged.tokenizer), judged.model.device)
    began = time.monotonic()
    with torch.inference_mode():
        written = judged.model.generate(
            input_ids=inputs,
            attention_mask=mask,
            max_new_tokens=most,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=_pad(judged.tokenizer),
            stopping_criteria=[_signs_of_life(alive)],
        )[:, inputs.shape[1] :]
    seconds = (time.monotonic() - began) / len(ids)
    told = judged.tokenizer.batch_decode(written, skip_special_tokens=True)
    ended = torch.isin(written, torch.tensor(_ends(judged), device=written.device)).any(-1).tolist()
    return [
        Written(text=text.strip(), stopped=stopped, seconds=seconds)
        for text, stopped in zip(told, ended, strict=True)
    ]


def _signs_of_life(alive: Alive) -> Callable[..., Any]:
    """Called after each token: what was cancelled need not write its answer to the end."""
    last = time.monotonic()

    def look(input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            alive(0)
            last = time.monotonic()
        return input_ids[:, 0] < 0  # no row is to stop for this

    return look


def _batches(rows: Sequence[encode.Example], model: Any) -> Iterator[list[encode.Example]]:
    """Rows of similar length together, so that little is computed on padding."""
    vocabulary = 4 * int(model.config.get_text_config().vocab_size)  # bytes of one token's logits
    batch: list[encode.Example] = []
    for row in sorted(rows, key=lambda row: len(row.input_ids)):
        tokens = (len(batch) + 1) * len(row.input_ids)
        kept = (len(batch) + 1) * (max([row.learned, *(one.learned for one in batch)]) + 1)
        if batch and (tokens > BATCH_TOKENS or kept * vocabulary > LOGITS):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _to_write(ids: Sequence[Sequence[int]], most: int, model: Any) -> Iterator[list[int]]:
    """Places of prompts of similar length, as many as there is room for their keys and values."""
    room = min(BATCH_TOKENS, CACHE // _bytes_a_token(model))
    batch: list[int] = []
    for place in sorted(range(len(ids)), key=lambda place: len(ids[place])):
        if batch and (len(batch) + 1) * (len(ids[place]) + most) > room:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _bytes_a_token(model: Any) -> int:
    """Of keys and values, in every layer."""
    shape = model.config.get_text_config()
    heads = getattr(shape, "num_key_value_heads", None) or shape.num_attention_heads
    width = getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads
    return int(2 * shape.num_hidden_layers * heads * width * model.dtype.itemsize)


def _left_padded(
    rows: Sequence[Sequence[int]], pad: int, device: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask, both of shape [rows, longest]."""
    import torch

    longest = max(map(len, rows))
    ids = [[pad] * (longest - len(row)) + list(row) for row in rows]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _pad(tokenizer: PreTrainedTokenizerBase) -> int:
    """Any id will do: padding is masked by position, not by id."""
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0)


def _ends(judged: Judged) -> list[int]:
    """Ids that end an answer."""
    known = judged.model.generation_config.eos_token_id
    many = known if isinstance(known, list) else [known]
    return [int(one) for one in {*many, judged.tokenizer.eos_token_id} if one is not None]
