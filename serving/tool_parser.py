"""A model's folder in; the parser of vLLM that reads the tool calls which its chat template teaches, out."""

from __future__ import annotations

import json
from pathlib import Path

AUTO, NONE = "auto", "none"
# What stands in a template that teaches calls: vLLM's name for the parser of that form. The first one
# that is found counts, for some forms have the marks of another one around their own.
_MARKS = (
    ("<function=", "qwen3_coder"),  # Qwen3-Coder, Qwen3.5
    ("<arg_key>", "glm45"),  # GLM-4.5 and later
    ("<minimax:tool_call>", "minimax_m2"),
    ("<seed:tool_call>", "seed_oss"),
    ("<tool_call>", "hermes"),  # Qwen2.5, Qwen3, Hermes, SmolLM3, Granite 4
    ("[TOOL_CALLS]", "mistral"),  # Mistral, Ministral
    ("Environment: ipython", "llama3_json"),  # Llama 3.1 to 3.3
    ("<|tool_call|>", "granite"),  # Granite 3
    ("<|tool_call_start|>", "lfm2"),
    ("<function_calls>", "olmo3"),
    ("<|channel|>commentary", "openai"),  # gpt-oss
)


def choose(wanted: str, model: Path) -> str | None:
    """vLLM's name of a parser; None where nobody named one and the template teaches no known form.

    `wanted` is `auto`, `none`, or a name, which is taken as it is: vLLM knows its own.
    """
    if wanted != AUTO:
        return None if wanted == NONE else wanted
    template = _template(model)
    return next((parser for mark, parser in _MARKS if mark in template), None)


def _template(model: Path) -> str:
    alone = model / "chat_template.jinja"
    if alone.is_file():
        return alone.read_text(encoding="utf-8")
    beside = model / "tokenizer_config.json"
    told = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    return str(told.get("chat_template") or "")  # one template, or a list of named ones
