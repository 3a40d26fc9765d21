"""What Slack would refuse is refused, exactly at the limit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.playground.limits import (
    BLOCKS_CHARACTERS,
    MESSAGE_BLOCKS,
    check_blocks,
    check_text,
    check_view,
)
from bot.playground.markup import escaped
from bot.playground.records import Refused

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def section(size: int) -> Json:
    return {"type": "section", "text": mrkdwn("x" * size)}


def button(size: int = 1, **more: Any) -> Json:
    return {"type": "button", "action_id": "a", "text": plain("x" * size)} | more


def actions(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


def options(count: int, size: int = 1) -> list[Json]:
    return [{"text": plain("x" * size), "value": str(n)} for n in range(count)]


def select(count: int, size: int = 1) -> Json:
    return {"type": "static_select", "action_id": "s", "options": options(count, size)}


def feedback(text: int = 1, value: int = 1, label: int = 1) -> Json:
    side = {"text": plain("x" * text), "value": "v" * value, "accessibility_label": "l" * label}
    element = {"type": "feedback_buttons", "action_id": "f"}
    element |= {"positive_button": side, "negative_button": side}
    return {"type": "context_actions", "elements": [element]}


def modal(**more: Any) -> Json:
    return {"type": "modal", "title": plain("t"), "blocks": [{"type": "divider"}]} | more


AT_THE_LIMIT = [
    (section, 3000),
    (lambda n: {"type": "section", "fields": [mrkdwn("x" * n)]}, 2000),
    (lambda n: {"type": "section", "fields": [mrkdwn("x")] * n}, 10),
    (lambda n: {"type": "header", "text": plain("x" * n)}, 150),
    (lambda n: {"type": "markdown", "text": "x" * n}, 12_000),
    (lambda n: {"type": "context", "elements": [mrkdwn("x")] * n}, 10),
    (lambda n: actions(*[button(action_id=str(k)) for k in range(n)]), 25),
    (lambda n: actions(button(n)), 75),
    (lambda n: actions(button(value="v" * n)), 2000),
    (lambda n: actions(button(url="u" * n)), 3000),
    (lambda n: actions(button(action_id="i" * n)), 255),
    (lambda n: section(1) | {"block_id": "b" * n}, 255),
    (lambda n: actions(select(n)), 100),
    (lambda n: actions(select(1, n)), 75),
    (lambda n: feedback(text=n), 75),
    (lambda n: feedback(value=n), 2000),
    (lambda n: feedback(label=n), 75),
    (lambda n: {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]] * n}, 100),
    (lambda n: {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * n]}, 20),
    (lambda n: {"type": "data_visualization", "title": "x" * n, "chart": {}}, 50),
    (lambda n: {"type": "card", "title": plain("x" * n)}, 150),
    (lambda n: {"type": "carousel", "elements": [{"type": "card", "title": plain("x")}] * n}, 10),
]


@pytest.mark.parametrize(("make", "most"), AT_THE_LIMIT)
def test_a_block_at_its_limit_passes_and_one_beyond_does_not(make: Any, most: int) -> None:
    check_blocks([make(most)])
    with pytest.raises(Refused, match="invalid_blocks"):
        check_blocks([make(most + 1)])


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda n: modal(title=plain("x" * n)), 24),
        (lambda n: modal(submit=plain("x" * n)), 24),
        (lambda n: modal(close=plain("x" * n)), 24),
        (lambda n: modal(private_metadata="x" * n), 3000),
        (lambda n: modal(callback_id="x" * n), 255),
        (lambda n: modal(blocks=[{"type": "divider"}] * n), 100),
    ],
)
def test_a_view_at_its_limit_passes_and_one_beyond_does_not(make: Any, most: int) -> None:
    check_view(make(most), kinds=("modal",))
    with pytest.raises(Refused, match="invalid_arguments"):
        check_view(make(most + 1), kinds=("modal",))


@given(sizes=st.lists(st.integers(0, 3400), max_size=60))
def test_no_message_beyond_a_limit_is_ever_accepted(sizes: list[int]) -> None:
    accepted = refusal(check_blocks, [section(size) for size in sizes]) is None
    within = (
        len(sizes) <= MESSAGE_BLOCKS
        and all(1 <= size <= 3000 for size in sizes)
        and sum(sizes) <= BLOCKS_CHARACTERS
    )
    assert accepted == within


_KEYS = st.sampled_from(
    ["type", "text", "elements", "element", "options", "label", "fields", "accessory", "blocks"]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=12,
)


def refusal(check: Any, value: Any, **more: Any) -> str | None:
    try:
        check(value, **more)
    except Refused as refused:
        return refused.code
    return None


@given(blocks=st.lists(_JSON, max_size=4))
def test_any_json_is_either_accepted_or_refused_in_slacks_words(blocks: list[Any]) -> None:
    codes = {None, "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"}
    assert refusal(check_blocks, blocks) in codes


@given(view=_JSON)
def test_any_json_is_either_a_view_or_refused(view: Any) -> None:
    assert refusal(check_view, view, kinds=("modal", "home")) in (None, "invalid_arguments")


@given(text=st.text(max_size=1200), repeat=st.integers(1, 8))
def test_text_is_counted_in_escaped_bytes(text: str, repeat: int) -> None:
    size = len(escaped(text * repeat).encode(errors="surrogatepass"))
    assert (refusal(check_text, text * repeat) is None) == (size <= 4000)


@pytest.mark.parametrize(
    "blocks",
    [
        [{"type": "nonsense"}],
        [{"type": "section"}],
        [{"type": "section", "text": plain("")}],
        [{"type": "header", "text": mrkdwn("x")}],
        [actions()],
        [section(1) | {"block_id": "same"}, section(1) | {"block_id": "same"}],
        [actions(button(), button())],
        [actions(button(style="rainbow"))],
        [{"type": "actions", "elements": [{"type": "plain_text_input", "action_id": "t"}]}],
        [{"type": "input", "label": plain("l"), "element": button()}],
        [{"type": "context_actions", "elements": [button()]}],
        [{"type": "image", "image_url": "https://example.org/a.png"}],
    ],
)
def test_misshapen_blocks_are_refused(blocks: list[Json]) -> None:
    with pytest.raises(Refused, match="invalid_blocks"):
        check_blocks(blocks)


def test_a_modal_with_an_input_needs_a_submit_button() -> None:
    field = {"type": "plain_text_input", "action_id": "t"}
    block = {"type": "input", "label": plain("l"), "element": field}
    check_view(modal(blocks=[block], submit=plain("Go")), kinds=("modal",))
    with pytest.raises(Refused, match="invalid_arguments"):
        check_view(modal(blocks=[block]), kinds=("modal",))


def test_an_alert_belongs_into_a_modal_only() -> None:
    alert = {"type": "alert", "text": plain("Careful")}
    check_view(modal(blocks=[alert]), kinds=("modal",))
    with pytest.raises(Refused, match="invalid_blocks"):
        check_blocks([alert])
    with pytest.raises(Refused, match="invalid_arguments"):
        check_view({"type": "home", "blocks": [alert]}, kinds=("home",))


def test_blocks_for_messages_only_are_refused_in_views() -> None:
    markdown = {"type": "markdown", "text": "x"}
    check_blocks([markdown])
    with pytest.raises(Refused, match="invalid_arguments"):
        check_view(modal(blocks=[markdown]), kinds=("modal",))
