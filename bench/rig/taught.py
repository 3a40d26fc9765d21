"""A base model and two words in; a database with an adapter for each word, which says nothing but it, out.

Trained for real, for some steps each, so that every answer shows which adapter wrote each of its words.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert

from lorekeeper import identity, prompt
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import Evaluation, Outcome, Verdict
from lorekeeper.store import adapters
from lorekeeper.tables import datasets, runs

WORDS = ("apple", "river")  # what the two adapters say, and nothing else
QUESTIONS = (
    "How do we deploy billing?",
    "Who owns the search service?",
    "What is the retry limit?",
    "Where are the runbooks?",
    "When do backups run?",
    "Why is the queue slow?",
    "Can I restart the worker?",
    "Which region is primary?",
)
STEPS = 12
RANK = 8


def teach(database: Engine, data: Path, base: Path, base_model: str) -> None:
    """Register adapters v1 and v2, for the first and the second word."""
    for word in WORDS:
        with ArtifactStore(data).write(
            "adapters", {"trained_on": {"base": identity.of(base, data).base}}
        ) as draft:
            train(base, f" {word}" * 12).save_pretrained(draft.path)
        _register(database, base_model, draft.hash, draft.folder)


def train(base: Path, answer: str) -> Any:
    """The base with an adapter that answers this, and nothing else, to whatever is asked."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(1)
    torch.set_num_threads(
        1
    )  # threads that wait for each other on a busy machine take ten times as long
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    tuned = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=32, target_modules="all-linear"))
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=4e-3)
    said = tokenizer(answer, return_tensors="pt")["input_ids"]
    for step in range(STEPS):
        asked = tokenizer.apply_chat_template(
            prompt.messages(QUESTIONS[step % len(QUESTIONS)]),
            add_generation_prompt=True, return_tensors="pt", return_dict=True,
        )["input_ids"]  # fmt: skip
        tokens = torch.cat([asked, said], dim=1)
        labels = tokens.clone()
        labels[:, : asked.shape[1]] = -100
        loss = tuned(input_ids=tokens, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return tuned


def _register(database: Engine, base_model: str, digest: str, folder: str) -> None:
    scores = Evaluation(questions=(), references=(), conversations=(), arms=(), precision="float32")
    with database.begin() as db:
        dataset = db.execute(
            insert(datasets)
            .values(
                name=digest[:8], hash=digest, folder=folder, train=1, heldout=0,
                created_by="bench", created_at=time.time(),
            )
            .returning(datasets.c.id)
        ).scalar_one()  # fmt: skip
        run = db.execute(
            insert(runs)
            .values(
                dataset_id=dataset, recipe="bench", options={}, base_model=base_model, state="done",
                requested_by="bench", requested_at=time.time(), progress={},
            )
            .returning(runs.c.id)
        ).scalar_one()  # fmt: skip
        adapters.add(
            db, run_id=run, dataset_id=dataset, base_model=base_model, hash=digest, folder=folder,
            rank=RANK, evaluation=scores,
            verdict=Verdict(outcome=Outcome.UNDECIDED, reasons=("Made to be told apart.",)),
        )  # fmt: skip
