"""The form of tool calls is told by the chat template, however it is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serving.tool_parser import choose

# What templates of these families say, as far as it tells their form.
FORMS = {
    '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>': "hermes",
    "<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>": "qwen3_coder",
    "<tool_call>{function-name}\n<arg_key>{arg-key-1}</arg_key>": "glm45",
    "{{- '[TOOL_CALLS] [' -}}": "mistral",
    '{{- "Environment: ipython\\n" }}': "llama3_json",
    "<|tool_call|> followed by a JSON list": "granite",
    "{{ messages[0].content }}": None,
}


@pytest.mark.parametrize("template", FORMS)
def test_the_form_is_known_by_its_marks(template: str, tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text(template)
    assert choose("auto", tmp_path) == FORMS[template]


@pytest.mark.parametrize("kept", ["<tool_call>", [{"name": "tool_use", "template": "<tool_call>"}]])
def test_a_template_beside_the_tokenizer_is_read(kept: object, tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": kept}))
    assert choose("auto", tmp_path) == "hermes"


def test_a_model_without_a_template_has_no_form(tmp_path: Path) -> None:
    assert choose("auto", tmp_path) is None


def test_what_the_setting_names_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("<tool_call>")
    assert choose("pythonic", tmp_path) == "pythonic"
    assert choose("none", tmp_path) is None
