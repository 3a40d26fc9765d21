"""One run, told from top to bottom: a queued run in, an adapter with its evidence out.

`python -m builder.train RUN WORKER` is what the worker starts. It can be killed at any moment and
started again: what was finished is not done twice, and training goes on from its last checkpoint.
"""

from __future__ import annotations

import errno
import json
import math
import os
import random
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Engine

from builder import cards, dataset, encode, evaluate, gate, recipes
from builder.library import Library, open_library
from builder.recipes import Recipe
from lorekeeper import hardware, identity, models, prompt
from lorekeeper.artifacts import ArtifactStore, full_disk_is_said, write_whole
from lorekeeper.domain import Adapter, Arm, DatasetVersion, Outcome, Progress, Run, Stage
from lorekeeper.errors import BadInput, LorekeeperError
from lorekeeper.identity import Identity
from lorekeeper.settings import Settings
from lorekeeper.store import adapters, datasets, deployments, reading, runs

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = structlog.get_logger(__name__)

# Bytes. torch names no reason when a write fails; a disk with less than this left is one.
FULL = 64 * 1024
ADAPTER = "adapter"  # the folder in the run's work folder that training ends with


def run(engine: Engine, settings: Settings, run_id: int, worker: str) -> Adapter:
    """Train, compare, judge and record; promote where the gate says so.

    Raises:
        LeaseLost: the run belongs to another worker by now.
        Cancelled: somebody asked for it to stop.
        LorekeeperError: whatever else a person can fix; says how.
    """

    def report(progress: Progress) -> Run:
        with engine.begin() as db:
            return runs.report(db, run_id, worker, progress)

    # What to do, and with what; an attempt may have died with everything done but the last word.
    with reading(engine) as db:
        job = runs.get(db, run_id)
        recorded = adapters.of_run(db, run_id)
        frozen = datasets.get(db, job.dataset_id)
    if recorded is not None:
        return recorded
    recipe = recipes.load(job.recipe, job.options, data=settings.store.data)
    recipes.refuse_unservable(recipe, settings.serving)
    report(Progress(stage=Stage.PREPARING, note="reading the dataset and the index"))
    artifacts = ArtifactStore(settings.store.data)
    folder = artifacts.open(frozen.folder)
    train, heldout = dataset.read(folder, datasets.TRAIN), dataset.read(folder, datasets.HELDOUT)
    library = open_library(engine, settings, train, heldout)
    base = models.get(job.base_model, settings.store.data)
    work = settings.store.data / "runs" / str(run_id)
    work.mkdir(parents=True, exist_ok=True)
    _use_threads(settings.train.threads)

    # Train, unless an earlier attempt did.
    if not (work / ADAPTER / "done").is_file():
        report(Progress(stage=Stage.PREPARING, note="loading the base model"))
        with _full_disk_is_said(work):
            _train(base, recipe, train, library, work, report)

    # Compare all arms at the precision that is served, and judge.
    judged = _load_judged(base, work / ADAPTER, settings)
    _refuse_idle(judged.model)
    newest = sorted(heldout, key=lambda row: row.answer_ts, reverse=True)
    questions = newest[: settings.train.evaluation_questions]
    scores = evaluate.evaluate(
        judged,
        library,
        questions,
        generate=settings.train.generated_answers,
        report=lambda done, of, what: _evaluating(report, done, of, what),
    )
    report(Progress(stage=Stage.JUDGING, note="comparing with what is served now"))
    rival = _serving_now(engine, judged, library, questions, artifacts, job.base_model)
    verdict = gate.judge(scores, settings.train, serving=rival)

    # Keep the adapter with everything that is known about it.
    trained_on = identity.of(base, settings.store.data)
    about = _about(job, frozen, recipe, trained_on, scores.precision)
    with artifacts.write("adapters", about) as draft:
        _copy_adapter(work / ADAPTER, draft.path)
        card = cards.adapter_card(about, scores, verdict)
        (draft.path / "card.md").write_text(card, encoding="utf-8")
    with engine.begin() as db:
        runs.beat(db, run_id, worker)  # raises where the run was given to another worker meanwhile
        adapter = adapters.add(
            db,
            run_id=run_id,
            dataset_id=frozen.id,
            base_model=job.base_model,
            hash=draft.hash,
            folder=draft.folder,
            rank=recipe.rank,
            evaluation=scores,
            verdict=verdict,
        )
        if verdict.outcome is Outcome.PROMOTE:
            deployments.deploy(db, adapter_id=adapter.id, by="gate", why=verdict.reasons[0])
    log.info("run finished", run=run_id, adapter=adapter.name, verdict=verdict.outcome.value)
    return adapter


def _train(
    base: Path,
    recipe: Recipe,
    rows: Sequence[dataset.Row],
    library: Library,
    work: Path,
    report: Any,
) -> None:
    """Train into `work/adapter`, from the last whole checkpoint where there is one."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoTokenizer, Trainer, TrainingArguments, set_seed

    from builder.watch import Watch, last_checkpoint

    set_seed(recipe.seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    examples, too_long = encode.fitting(
        _examples(rows, recipe, library, tokenizer), recipe.max_tokens
    )
    if too_long:
        log.warning("rows left out", pairs=[row.pair_id for row in too_long])
    write_whole(work / "left-out.json", json.dumps([asdict(row) for row in too_long]))
    steps = _steps(len(examples), recipe)
    learned = sum(row.learned for row in examples)
    model = get_peft_model(
        _load_base(base, recipe),
        LoraConfig(
            task_type="CAUSAL_LM",
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            lora_dropout=recipe.dropout,
            use_rslora=recipe.rslora,
            target_modules=_modules(recipe),
        ),
    )
    on_gpu = bool(hardware.gpus())
    compute = _compute_type()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(work),
            max_steps=steps,
            per_device_train_batch_size=recipe.batch_size,
            gradient_accumulation_steps=recipe.accumulation,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=math.ceil(recipe.warmup * steps),
            optim="paged_adamw_8bit" if on_gpu else "adamw_torch",
            max_grad_norm=1.0,
            bf16=on_gpu and compute is torch.bfloat16,
            fp16=on_gpu and compute is torch.float16,
            use_cpu=not on_gpu,
            logging_steps=1,
            logging_first_step=True,
            logging_nan_inf_filter=False,
            save_steps=recipe.checkpoint_steps,
            save_total_limit=2,
            seed=recipe.seed,
            data_seed=recipe.seed,
            train_sampling_strategy="group_by_length",
            remove_unused_columns=False,
            dataloader_pin_memory=on_gpu,
            disable_tqdm=True,
            report_to="none",
        ),
        train_dataset=[{"input_ids": row.input_ids, "labels": row.labels} for row in examples],
        data_collator=collate,
        callbacks=[
            Watch(
                report,
                work / "metrics.jsonl",
                tokens_per_step=learned / len(examples) * recipe.batch_size * recipe.accumulation,
            )
        ],
    )
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    resume_from = last_checkpoint(work)
    trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    _refuse_broken(model)
    model.save_pretrained(work / ADAPTER)
    write_whole(work / ADAPTER / "done", json.dumps({"steps": steps}))


@contextmanager
def _full_disk_is_said(work: Path) -> Iterator[None]:
    """A checkpoint that does not fit ends in errors of safetensors' and torch's own; say what they mean."""
    from safetensors import SafetensorError

    try:
        with full_disk_is_said(work):
            yield
    except (RuntimeError, SafetensorError) as error:
        if "No space left" not in str(error) and shutil.disk_usage(work).free > FULL:
            raise
        with full_disk_is_said(work):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error


def collate(rows: Sequence[dict[str, Sequence[int]]]) -> dict[str, Any]:
    """Right-padded tensors of shape [rows, longest]. Padding is masked by position, not by id.

    The id that pads is often the one that ends a turn; masking by id would unlearn stopping.
    """
    import torch

    longest = max(len(row["input_ids"]) for row in rows)

    def padded(name: str, filler: int) -> torch.Tensor:
        return torch.tensor([[*row[name], *[filler] * (longest - len(row[name]))] for row in rows])

    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    mask = (torch.arange(longest) < lengths[:, None]).long()
    return {
        "input_ids": padded("input_ids", 0),
        "attention_mask": mask,
        "labels": padded("labels", encode.IGNORED),
    }


def _examples(
    rows: Sequence[dataset.Row], recipe: Recipe, library: Library, tokenizer: Any
) -> list[encode.Example]:
    """Every row, a share of them with what retrieval brings, most of those with the right passage.

    Rows without it teach the model not to trust a passage blindly (RAFT, Zhang et al. 2024).
    """
    chance = random.Random(recipe.seed)  # noqa: S311 - which rows get passages is no secret
    made = []
    for row in rows:
        with_passages = chance.random() < recipe.with_passages
        with_own = chance.random() < recipe.with_own_passage
        found = (
            library.passages(row.question, conversation="" if with_own else row.conversation)
            if with_passages
            else []
        )
        messages = prompt.messages(row.question, passages=found)
        made.append(encode.example(row.pair_id, messages, row.answer, tokenizer))
    return made


def _steps(rows: int, recipe: Recipe) -> int:
    per_epoch = math.ceil(rows / (recipe.batch_size * recipe.accumulation))
    return max(1, round(per_epoch * recipe.epochs))


def _modules(recipe: Recipe) -> str | list[str]:
    chosen = recipe.target_modules
    return chosen if isinstance(chosen, str) else list(chosen)


def _load_base(base: Path, recipe: Recipe) -> Any:
    """The frozen base: in NF4 with double quantisation, or at the precision it computes in."""
    import torch
    from peft import prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    compute = _compute_type()
    if recipe.quantization == "none":
        return AutoModelForCausalLM.from_pretrained(base, dtype=compute, use_safetensors=True)
    model = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=compute,
        use_safetensors=True,
        device_map={"": 0} if torch.cuda.is_available() else {"": "cpu"},
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute,
        ),
    )
    # Recomputing activations saves memory that a small model on a CPU has, and costs 60 % more time.
    return prepare_model_for_kbit_training(
        model, use_gradient_checkpointing=torch.cuda.is_available()
    )


def _compute_type() -> Any:
    """bfloat16 where the hardware has its instructions; without them it is far slower."""
    import torch

    if torch.cuda.is_available():
        computes = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if computes else torch.float16
    return torch.bfloat16 if hardware.cpu_computes_bfloat16() else torch.float32


def _load_judged(base: Path, adapter: Path, settings: Settings) -> evaluate.Judged:
    """The base as it is served, never quantised for this, with the adapter on it."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    precision = models.served_precision(settings)
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=getattr(torch, precision), use_safetensors=True
    )
    tuned = PeftModel.from_pretrained(model, adapter, adapter_name="new")
    tuned.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base)
    return evaluate.Judged(
        model=tuned,
        tokenizer=tokenizer,
        precision=precision,
        max_tokens=settings.serving.max_tokens,
    )


def _serving_now(
    engine: Engine,
    judged: evaluate.Judged,
    library: Library,
    questions: Sequence[dataset.Row],
    artifacts: ArtifactStore,
    base_model: str,
) -> Sequence[float] | None:
    """Loss of the adapter that is served, with retrieval, on the same questions; None for the base."""
    with reading(engine) as db:
        current = deployments.current(db)
        served = adapters.get(db, current.adapter_id) if current and current.adapter_id else None
    if served is None or served.base_model != base_model:
        return None
    judged.model.load_adapter(artifacts.open(served.folder), adapter_name="served")
    judged.model.set_adapter("served")
    try:
        asked = [evaluate.prompt_for(Arm.TUNED_RETRIEVAL, row, library) for row in questions]
        return evaluate.score(judged, asked, [row.answer for row in questions])
    finally:
        judged.model.set_adapter("new")
        judged.model.delete_adapter("served")


def _refuse_broken(model: Any) -> None:
    import torch

    for name, weights in model.named_parameters():
        if "lora_" in name and not bool(torch.isfinite(weights).all()):
            raise BadInput(
                f"The adapter holds values that are no numbers ({name}).",
                fix="Use a smaller learning_rate. Nothing was registered.",
            )


def _refuse_idle(model: Any) -> None:
    """An adapter whose second matrices are all zero changes no answer."""
    if not any(
        bool(weights.any()) for name, weights in model.named_parameters() if "lora_B" in name
    ):
        raise BadInput(
            "The adapter does nothing: its weights are still those that it began with.",
            fix="Train for more steps, or with a larger learning_rate. Nothing was registered.",
        )


def _evaluating(report: Any, done: int, of: int, what: str) -> None:
    report(Progress(stage=Stage.EVALUATING, step=done, steps=of, note=what))


def _about(
    job: Run, frozen: DatasetVersion, recipe: Recipe, base: Identity, precision: str
) -> dict[str, Any]:
    """What is needed to make the adapter again, and to see that it was this one."""
    packages = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "lorekeeper")
    return {
        "run": job.id,
        "base_model": job.base_model,
        "trained_on": asdict(base) | {"quantization": recipe.quantization},
        "dataset": frozen.name,
        "dataset_hash": frozen.hash,
        "recipe": recipe.model_dump(mode="json"),
        "evaluated_in": precision,
        "packages": {name: version(name) for name in packages},
        "hardware": list(hardware.gpus()) or [f"CPU, {os.cpu_count()} cores"],
    }


def _copy_adapter(source: Path, target: Path) -> None:
    """Only what an engine needs, and only safetensors."""
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (target / name).write_bytes((source / name).read_bytes())


def _use_threads(count: int) -> None:
    import torch

    if count:
        torch.set_num_threads(count)


def main() -> None:
    """Exit code 0: done. 2: a person can fix it, and the last line of stderr says how, as JSON."""
    from lorekeeper import settings as config
    from lorekeeper import store, telemetry

    telemetry.configure()
    run_id, worker = int(sys.argv[1]), sys.argv[2]
    settings = config.load()
    engine = store.connect(settings.database_url)
    try:
        adapter = run(engine, settings, run_id, worker)
    except LorekeeperError as error:
        told = {"kind": type(error).__name__, "what": error.what, "fix": error.fix}
        print(json.dumps(told), file=sys.stderr)
        raise SystemExit(2) from error
    print(json.dumps({"adapter_id": adapter.id}))


if __name__ == "__main__":
    main()
