"""What the embedded engine serves is what the trainer's own model writes on the same prompt, token for token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.rig.pulled import pulled
from builder import scoring
from lorekeeper import prompt
from serving.local import LocalModel

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

WORDS = 64  # tokens
ASKED = [
    prompt.messages(question) for question in ("how do we deploy", "ship the backup from main")
]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_served_answer_is_the_trainers(
    tiny: Path, make_adapter: Callable[[int], Path], seed: int
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = make_adapter(seed)
    base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    judged = scoring.Judged(
        model=PeftModel.from_pretrained(base, folder).eval(),
        tokenizer=AutoTokenizer.from_pretrained(tiny),
        precision="float32",
        max_tokens=WORDS,
    )
    served = LocalModel(tiny, dtype="float32", window=256)
    served.load("v1", folder)
    for messages, expected in zip(ASKED, scoring.answer(judged, ASKED), strict=True):
        wanted = served.prepare(
            name="v1", messages=messages, max_tokens=WORDS, temperature=0.0, stops=()
        )
        said = "".join(piece.text for piece in pulled(served.write(wanted)))
        assert said.strip() == expected
        assert len(said.split()) > 8
