"""A base, an adapter and held-out questions in; every arm's scores on the same questions out.

Loss is scored and answers are generated at the precision that is served, in separate passes. The
base arms are the same weights with the adapter switched off.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder import encode
from builder.dataset import Row
from builder.library import Library
from lorekeeper import models, prompt
from lorekeeper.domain import Arm, ArmScore, Evaluation
from lorekeeper.prompt import Turn
from lorekeeper.settings import Settings
from lorekeeper.text import token_f1

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

SHOTS = 3  # pairs that the prompted arm is shown
BATCH_TOKENS = 4096  # prompt and answer tokens that are scored at once
TUNED = frozenset({Arm.TUNED, Arm.TUNED_RETRIEVAL})
WITH_PASSAGES = frozenset({Arm.RETRIEVAL, Arm.TUNED_RETRIEVAL})

Report = Callable[[int, int, str], None]  # done, of, what


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A model with one adapter on it, and what is needed to ask it."""

    model: Any  # a peft model
    tokenizer: PreTrainedTokenizerBase
    precision: str
    max_tokens: int  # of a generated answer


def load_judged(base: Path, adapter: Path | None, settings: Settings) -> Judged:
    """The base as it is served, never quantised for this, with the adapter on it if there is one."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    precision = models.served_precision(settings)
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=getattr(torch, precision), use_safetensors=True
    )
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter, adapter_name="new")
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base)
    return Judged(
        model=model,
        tokenizer=tokenizer,
        precision=precision,
        max_tokens=settings.serving.max_tokens,
    )


def evaluate(
    judged: Judged,
    library: Library,
    heldout: Sequence[Row],
    *,
    generate: int,
    report: Report = lambda done, of, what: None,
) -> Evaluation:
    """Score every arm on `heldout`, and generate the answers to its first `generate` questions."""
    prompts = {arm: [prompt_for(arm, row, library) for row in heldout] for arm in Arm}
    references = [row.answer for row in heldout]
    steps = 2 * len(Arm) + 2
    losses: dict[Arm, list[float]] = {}
    answers: dict[Arm, list[str]] = {}
    for number, arm in enumerate(Arm):
        report(2 * number, steps, f"scoring {arm.value}")
        with _as(judged, arm):
            losses[arm] = score(judged, prompts[arm], references)
        report(2 * number + 1, steps, f"answering as {arm.value}")
        answers[arm] = answer_as(judged, arm, prompts[arm][:generate])
    report(steps - 2, steps, "asking general questions")
    general = probe()
    return Evaluation(
        questions=tuple(row.question for row in heldout),
        references=tuple(references),
        conversations=tuple(row.conversation for row in heldout),
        arms=tuple(_scored(arm, losses[arm], answers[arm], references) for arm in Arm),
        precision=judged.precision,
        probe_nll_before=tuple(_probed(judged, Arm.BASE, general)),
        probe_nll_after=tuple(_probed(judged, Arm.TUNED, general)),
    )


def score(
    judged: Judged, prompts: Sequence[Sequence[Turn]], references: Sequence[str]
) -> list[float]:
    """Nats per token of each reference answer, its end of turn included; lower is better."""
    rows = [
        encode.example(number, messages, reference, judged.tokenizer)
        for number, (messages, reference) in enumerate(zip(prompts, references, strict=True))
    ]
    found: dict[int, float] = {}
    for batch in _batches(rows):
        for row, loss in zip(batch, _losses(judged, batch), strict=True):
            found[row.pair_id] = loss
    return [found[number] for number in range(len(rows))]


def answer(judged: Judged, prompts: Sequence[Sequence[Turn]]) -> list[str]:
    """Greedy answers, as they would be served."""
    import torch

    if not prompts:
        return []
    ids = [encode.prompt_ids(messages, judged.tokenizer) for messages in prompts]
    inputs, mask = _left_padded(ids, _pad(judged.tokenizer), judged.model.device)
    with torch.inference_mode():
        written = judged.model.generate(
            input_ids=inputs,
            attention_mask=mask,
            max_new_tokens=judged.max_tokens,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=_pad(judged.tokenizer),
        )
    told = judged.tokenizer.batch_decode(written[:, inputs.shape[1] :], skip_special_tokens=True)
    return [text.strip() for text in told]


def answer_as(judged: Judged, arm: Arm, prompts: Sequence[Sequence[Turn]]) -> list[str]:
    """Greedy answers of one arm."""
    with _as(judged, arm):
        return answer(judged, prompts)


def probe() -> list[tuple[str, str]]:
    """General questions with answers that ship with the project, for measuring what is forgotten."""
    lines = files("builder").joinpath("probes", "general.jsonl").read_text(encoding="utf-8")
    found = (json.loads(line) for line in lines.splitlines() if line)
    return [(entry["question"], entry["answer"]) for entry in found]


def _probed(judged: Judged, arm: Arm, general: Sequence[tuple[str, str]]) -> list[float]:
    with _as(judged, arm):
        return score(
            judged,
            [prompt.messages(question) for question, _ in general],
            [reference for _, reference in general],
        )


def prompt_for(arm: Arm, row: Row, library: Library) -> list[Turn]:
    """What this arm is asked: the question alone, with similar pairs, or with passages."""
    if arm is Arm.PROMPTED:
        return prompt.messages(row.question, examples=library.examples(row.question, SHOTS))
    if arm in WITH_PASSAGES:
        found = library.passages(row.question, conversation=row.conversation)
        return prompt.messages(row.question, passages=found)
    return prompt.messages(row.question)


def _as(judged: Judged, arm: Arm) -> Any:
    """The adapter switched on for the tuned arms, and off for the others."""
    return nullcontext() if arm in TUNED else judged.model.disable_adapter()


def _losses(judged: Judged, batch: Sequence[encode.Example]) -> list[float]:
    """Mean cross entropy over the learned tokens of each row."""
    import torch

    inputs, mask = _left_padded(
        [list(row.input_ids) for row in batch], _pad(judged.tokenizer), judged.model.device
    )
    labels, _ = _left_padded(
        [list(row.labels) for row in batch], encode.IGNORED, judged.model.device
    )
    keep = max(row.learned for row in batch) + 1  # answers stand at the end of every row
    with torch.inference_mode():
        logits = judged.model(
            input_ids=inputs,
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            logits_to_keep=keep,
            use_cache=False,
        ).logits[:, :-1]
        wanted = labels[:, -keep:][:, 1:]
        losses = torch.nn.functional.cross_entropy(
            logits.float().transpose(1, 2), wanted, ignore_index=encode.IGNORED, reduction="none"
        )
        counts = (wanted != encode.IGNORED).sum(-1)
        means: list[float] = (losses.sum(-1) / counts).tolist()
    return means


def _batches(rows: Sequence[encode.Example]) -> Iterator[list[encode.Example]]:
    """Rows of similar length together, so that little is computed on padding."""
    batch: list[encode.Example] = []
    for row in sorted(rows, key=lambda row: len(row.input_ids)):
        if batch and (len(batch) + 1) * len(row.input_ids) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


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


def _scored(
    arm: Arm, losses: Sequence[float], answers: Sequence[str], references: Sequence[str]
) -> ArmScore:
    return ArmScore(
        arm=arm,
        nll=tuple(losses),
        f1=tuple(token_f1(told, wanted) for told, wanted in zip(answers, references, strict=False)),
        answers=tuple(answers),
    )
