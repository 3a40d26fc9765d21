"""One element, option or text object of a block in; what is wrong with it, in Slack's words, out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.playground.records import Json

_SELECTS = ("static_select", "multi_static_select")
_PLAIN = {
    "users_select",
    "multi_users_select",
    "conversations_select",
    "multi_conversations_select",
    "channels_select",
    "multi_channels_select",
    "external_select",
    "multi_external_select",
    "datepicker",
    "timepicker",
    "datetimepicker",
    "image",
    "plain_text_input",
    "rich_text_input",
    "email_text_input",
    "url_text_input",
    "number_input",
    "file_input",
    "workflow_button",
}
_ONLY_IN_INPUT = {
    "plain_text_input",
    "rich_text_input",
    "email_text_input",
    "url_text_input",
    "number_input",
    "file_input",
}
_NEVER_IN_INPUT = {"button", "overflow", "image", "feedback_buttons", "icon_button"}


def length(value: Any, at: str, *, most: int) -> Iterator[str]:
    """A string that may be absent."""
    if value is None:
        return
    if not isinstance(value, str):
        yield f"must be a string [json-pointer:{at}]"
    elif len(value) > most:
        yield f"must be less than {most + 1} characters [json-pointer:{at}]"


def string(owner: Json, name: str, at: str, *, most: int) -> Iterator[str]:
    """A string that must be there and not be empty."""
    if not isinstance(owner.get(name), str) or not owner[name]:
        yield f"missing required field: {name} [json-pointer:{at}]"
    else:
        yield from length(owner[name], f"{at}/{name}", most=most)


def text(value: Any, at: str, *, most: int, kinds: tuple[str, ...] = ()) -> Iterator[str]:
    """A text object with 1 to `most` characters."""
    kinds = kinds or ("plain_text", "mrkdwn")
    if not isinstance(value, dict) or value.get("type") not in kinds:
        yield f"must be a text object ({', '.join(kinds)}) [json-pointer:{at}]"
    elif not isinstance(value.get("text"), str) or not value["text"]:
        yield f"must be more than 0 characters [json-pointer:{at}/text]"
    else:
        yield from length(value["text"], f"{at}/text", most=most)


def plain_text(value: Any, at: str, *, most: int) -> Iterator[str]:
    yield from text(value, at, most=most, kinds=("plain_text",))


def count(owner: Json, name: str, at: str, *, least: int, most: int) -> Iterator[str]:
    value = owner.get(name)
    if not isinstance(value, list):
        yield f"missing required field: {name} [json-pointer:{at}]"
    elif len(value) > most:
        yield f"no more than {most} items allowed [json-pointer:{at}/{name}]"
    elif len(value) < least:
        yield f"no less than {least} items allowed [json-pointer:{at}/{name}]"


def items(owner: Json, name: str, at: str) -> Iterator[tuple[str, Any]]:
    value = owner.get(name)
    for number, item in enumerate(value if isinstance(value, list) else []):
        yield f"{at}/{name}/{number}", item


def unique_actions(block: Json, at: str) -> Iterator[str]:
    seen: set[str] = set()
    for _, item in items(block, "elements", at):
        action_id = item.get("action_id") if isinstance(item, dict) else None
        if isinstance(action_id, str):
            if action_id in seen:
                yield f"action_id {action_id} already exists [json-pointer:{at}/elements]"
            seen.add(action_id)


def image(value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"must be an object [json-pointer:{at}]"
        return
    if not value.get("image_url") and not value.get("slack_file"):
        yield f"missing required field: image_url [json-pointer:{at}]"
    yield from length(value.get("image_url"), f"{at}/image_url", most=3000)
    yield from string(value, "alt_text", at, most=2000)


def element(value: Any, at: str, *, inside_input: bool = False) -> Iterator[str]:
    kind = value.get("type") if isinstance(value, dict) else None
    check = _CHECKS.get(kind) if isinstance(kind, str) else None
    if (check is None and kind not in _PLAIN) or _misplaced(kind, inside_input):
        yield f"unsupported type: {kind} [json-pointer:{at}/type]"
        return
    yield from length(value.get("action_id"), f"{at}/action_id", most=255)
    if value.get("placeholder") is not None:
        yield from plain_text(value["placeholder"], f"{at}/placeholder", most=150)
    if value.get("confirm") is not None:
        yield from _confirm(value["confirm"], f"{at}/confirm")
    if check is not None:
        yield from check(value, at)


def _misplaced(kind: Any, inside_input: bool) -> bool:
    return kind in (_NEVER_IN_INPUT if inside_input else _ONLY_IN_INPUT)


def _button(value: Json, at: str) -> Iterator[str]:
    yield from plain_text(value.get("text"), f"{at}/text", most=75)
    yield from length(value.get("value"), f"{at}/value", most=2000)
    yield from length(value.get("url"), f"{at}/url", most=3000)
    yield from length(value.get("accessibility_label"), f"{at}/accessibility_label", most=75)
    yield from length(value.get("agent_prompt"), f"{at}/agent_prompt", most=4000)
    if value.get("style") not in (None, "primary", "danger"):
        yield f"unknown style: {value['style']} [json-pointer:{at}/style]"


def _icon_button(value: Json, at: str) -> Iterator[str]:
    yield from string(value, "icon", at, most=75)
    yield from plain_text(value.get("text"), f"{at}/text", most=75)
    yield from length(value.get("value"), f"{at}/value", most=2000)
    if value.get("visible_to_user_ids") is not None:
        yield from count(value, "visible_to_user_ids", at, least=0, most=10)


def _feedback(value: Json, at: str) -> Iterator[str]:
    for name in ("positive_button", "negative_button"):
        button = value.get(name)
        if not isinstance(button, dict):
            yield f"missing required field: {name} [json-pointer:{at}]"
            continue
        yield from plain_text(button.get("text"), f"{at}/{name}/text", most=75)
        yield from string(button, "value", f"{at}/{name}", most=2000)
        label = button.get("accessibility_label")
        yield from length(label, f"{at}/{name}/accessibility_label", most=75)


def _select(value: Json, at: str) -> Iterator[str]:
    if "option_groups" in value:
        yield from count(value, "option_groups", at, least=1, most=100)
        for place, group in items(value, "option_groups", at):
            if isinstance(group, dict):
                yield from plain_text(group.get("label"), f"{place}/label", most=75)
                yield from _options(group, place, most=100)
    else:
        yield from _options(value, at, most=100)


def _overflow(value: Json, at: str) -> Iterator[str]:
    yield from _options(value, at, most=5)


def _choices(value: Json, at: str) -> Iterator[str]:
    yield from _options(value, at, most=10)


def _options(owner: Json, at: str, *, most: int) -> Iterator[str]:
    yield from count(owner, "options", at, least=1, most=most)
    for place, option in items(owner, "options", at):
        if not isinstance(option, dict):
            yield f"must be an object [json-pointer:{place}]"
            continue
        yield from text(option.get("text"), f"{place}/text", most=75)
        yield from string(option, "value", place, most=150)
        if option.get("description") is not None:
            yield from text(option["description"], f"{place}/description", most=75)


def _text_input(value: Json, at: str) -> Iterator[str]:
    yield from length(value.get("initial_value"), f"{at}/initial_value", most=3000)
    for name in ("min_length", "max_length"):
        size = value.get(name)
        if size is not None and (not isinstance(size, int) or not 0 <= size <= 3000):
            yield f"must be 0 to 3000 [json-pointer:{at}/{name}]"


def _confirm(value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"must be an object [json-pointer:{at}]"
        return
    yield from plain_text(value.get("title"), f"{at}/title", most=100)
    yield from text(value.get("text"), f"{at}/text", most=300)
    for name in ("confirm", "deny"):
        if value.get(name) is not None:
            yield from plain_text(value[name], f"{at}/{name}", most=30)


_CHECKS = {
    "button": _button,
    "icon_button": _icon_button,
    "feedback_buttons": _feedback,
    "overflow": _overflow,
    "checkboxes": _choices,
    "radio_buttons": _choices,
    "plain_text_input": _text_input,
} | dict.fromkeys(_SELECTS, _select)
