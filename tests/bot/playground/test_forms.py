"""What a person fills in becomes the state that Slack sends."""

from __future__ import annotations

from typing import Any

import pytest

from bot.playground.forms import missing, state_values
from bot.playground.records import Refused


def option(value: str) -> dict[str, Any]:
    return {"text": {"type": "plain_text", "text": value.title()}, "value": value}


def block(name: str, **element: Any) -> dict[str, Any]:
    return {
        "type": "input",
        "block_id": f"{name}_block",
        "label": {"type": "plain_text", "text": name},
        "element": {"action_id": name} | element,
    }


OPTIONS = [option("one"), option("two")]


@pytest.mark.parametrize(
    ("element", "raw", "state"),
    [
        ({"type": "plain_text_input"}, "hi", {"value": "hi"}),
        ({"type": "plain_text_input"}, "", {"value": None}),
        ({"type": "number_input"}, 7, {"value": "7"}),
        ({"type": "static_select", "options": OPTIONS}, "two", {"selected_option": OPTIONS[1]}),
        ({"type": "static_select", "options": OPTIONS}, "Two", {"selected_option": OPTIONS[1]}),
        ({"type": "radio_buttons", "options": OPTIONS}, "one", {"selected_option": OPTIONS[0]}),
        ({"type": "checkboxes", "options": OPTIONS}, ["one"], {"selected_options": OPTIONS[:1]}),
        ({"type": "users_select"}, "U1", {"selected_user": "U1"}),
        ({"type": "multi_channels_select"}, ["C1"], {"selected_channels": ["C1"]}),
        ({"type": "datepicker"}, "2026-01-31", {"selected_date": "2026-01-31"}),
    ],
)
def test_values_take_slacks_shape(element: dict[str, Any], raw: Any, state: Any) -> None:
    values = state_values([block("f", **element)], {"f": raw})
    assert values == {"f_block": {"f": {"type": element["type"]} | state}}


def test_what_is_not_filled_in_keeps_its_initial_value() -> None:
    blocks = [block("f", type="plain_text_input", initial_value="as it was")]
    assert state_values(blocks, {})["f_block"]["f"]["value"] == "as it was"


def test_a_field_that_is_not_there_and_an_option_that_is_not_offered_are_refused() -> None:
    blocks = [block("f", type="static_select", options=OPTIONS)]
    with pytest.raises(Refused, match="unknown_field"):
        state_values(blocks, {"g": "one"})
    with pytest.raises(Refused, match="bad_option"):
        state_values(blocks, {"f": "three"})


def test_required_and_too_long_fields_are_held_back() -> None:
    blocks = [
        block("a", type="plain_text_input", max_length=3),
        block("b", type="checkboxes", options=OPTIONS),
        block("c", type="plain_text_input") | {"optional": True},
    ]
    errors = missing(blocks, state_values(blocks, {"a": "long"}))
    assert errors == {
        "a_block": "Please enter no more than 3 characters.",
        "b_block": "Please complete this required field.",
    }
