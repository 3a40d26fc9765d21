"""Blocks and what a person filled in; the `state.values` that Slack sends, or what is still missing, out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.playground.records import Json, Refused

_ONE_OF = {"static_select", "radio_buttons", "external_select", "overflow"}
_SOME_OF = {"checkboxes", "multi_static_select", "multi_external_select"}
_NAMED = {
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "multi_users_select": "selected_users",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
}
_INITIAL = {
    "selected_user": "initial_user",
    "selected_channel": "initial_channel",
    "selected_conversation": "initial_conversation",
    "selected_users": "initial_users",
    "selected_channels": "initial_channels",
    "selected_conversations": "initial_conversations",
    "selected_date": "initial_date",
    "selected_time": "initial_time",
    "selected_date_time": "initial_date_time",
}


def interactive(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Every (block, element with an action_id) inside, however deep."""
    for block in blocks:
        for element in _elements(block):
            yield block, element


def find_element(blocks: list[Json], action_id: str, block_id: str | None) -> tuple[Json, Json]:
    """Raises Refused(action_not_found) and names those that are there."""
    there = []
    for block, element in interactive(blocks):
        there.append(element["action_id"])
        if element["action_id"] == action_id and block_id in (None, block.get("block_id")):
            return block, element
    raise Refused("action_not_found", asked=action_id, there=there)


def state_values(blocks: list[Json], filled: Mapping[str, Any]) -> Json:
    """`values` of a view's state. `filled`: raw values by block_id or action_id.

    Raises Refused(unknown_field) for a name that no input has, Refused(bad_option).
    """
    values: dict[str, Json] = {}
    used: set[str] = set()
    for block, element in interactive(blocks):
        if element["type"] in ("button", "feedback_buttons", "icon_button", "overflow"):
            continue
        name = next((n for n in (block["block_id"], element["action_id"]) if n in filled), None)
        if name is not None:
            used.add(name)
        value = chosen(element, filled[name]) if name is not None else _initial(element)
        values.setdefault(block["block_id"], {})[element["action_id"]] = {
            "type": element["type"]
        } | value
    unknown = sorted(set(filled) - used)
    if unknown:
        there = [e["action_id"] for _, e in interactive(blocks)]
        raise Refused("unknown_field", asked=unknown, there=there)
    return values


def missing(blocks: list[Json], values: Json) -> dict[str, str]:
    """block_id -> what Slack's client says before it sends anything."""
    errors: dict[str, str] = {}
    for block in blocks:
        if block.get("type") != "input":
            continue
        element = block["element"]
        value = _content(values[block["block_id"]][element["action_id"]])
        if not value and not block.get("optional"):
            errors[block["block_id"]] = "Please complete this required field."
        elif isinstance(value, str):
            problem = _length_problem(element, value)
            if problem:
                errors[block["block_id"]] = problem
    return errors


def chosen(element: Json, raw: Any) -> Json:
    """The value part of an element's state for a raw value (an option by its value or text)."""
    kind = element["type"]
    if kind in _ONE_OF:
        return {"selected_option": None if raw in (None, "") else _option(element, raw)}
    if kind in _SOME_OF:
        many = raw if isinstance(raw, list | tuple) else [raw]
        return {"selected_options": [_option(element, one) for one in many]}
    if kind in _NAMED:
        return {_NAMED[kind]: raw or None}
    if kind == "rich_text_input":
        section = {"type": "rich_text_section", "elements": [{"type": "text", "text": raw}]}
        return {"rich_text_value": {"type": "rich_text", "elements": [section]} if raw else None}
    return {"value": None if raw in (None, "") else str(raw)}


def value_of(action: Json) -> Json:
    """The value part of an action, as a state holds it."""
    return {
        name: action[name] for name in action if name.startswith("selected_") or name == "value"
    }


def _initial(element: Json) -> Json:
    kind = element["type"]
    if kind in _ONE_OF:
        return {"selected_option": element.get("initial_option")}
    if kind in _SOME_OF:
        return {"selected_options": list(element.get("initial_options") or [])}
    if kind in _NAMED:
        return {_NAMED[kind]: element.get(_INITIAL[_NAMED[kind]])}
    if kind == "rich_text_input":
        return {"rich_text_value": element.get("initial_value")}
    return {"value": element.get("initial_value")}


def _option(element: Json, raw: Any) -> Json:
    options: list[Json] = list(element.get("options") or [])
    for group in element.get("option_groups") or []:
        options += group["options"]
    for option in options:
        if raw in (option["value"], option["text"]["text"], option):
            return option
    if element["type"].endswith("external_select") and isinstance(raw, dict):
        return raw
    raise Refused("bad_option", asked=raw, there=[option["value"] for option in options])


def _elements(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        if isinstance(value.get("action_id"), str) and "type" in value:
            yield value
            return
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _elements(item)


def _content(state: Json) -> Any:
    return next((value for name, value in state.items() if name != "type"), None)


def _length_problem(element: Json, value: str) -> str | None:
    least, most = element.get("min_length", 0), element.get("max_length", 3000)
    if len(value) < least:
        return f"Please enter at least {least} characters."
    if len(value) > most:
        return f"Please enter no more than {most} characters."
    return None
