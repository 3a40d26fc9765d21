"""Texts, blocks and views in; nothing, or Slack's refusal with the places that are too long or wrong, out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.playground import elements
from bot.playground.markup import escaped
from bot.playground.records import Json, Refused

TEXT_BYTES = 4_000
"""Of a message's plain `text`, counted after &, < and > are escaped (as chat.update counts)."""
MARKDOWN_CHARACTERS = 12_000
BLOCKS_CHARACTERS = 13_200
"""Of all blocks of a message together, as measured in bolt-js#2509; Slack documents none."""
MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
TABLE_CHARACTERS = 10_000

_SURFACES: dict[str, tuple[str, ...]] = {
    "alert": ("modal",),
    "carousel": ("message", "home"),
    "container": ("message",),
    "context_actions": ("message",),
    "data_visualization": ("message",),
    "markdown": ("message",),
    "plan": ("message",),
    "table": ("message",),
    "task_card": ("message",),
}
"""Blocks that Slack doesn't allow everywhere."""
_DEPTH = 4


def check_text(text: str) -> None:
    """Raises Refused(msg_too_long)."""
    if len(escaped(text).encode(errors="surrogatepass")) > TEXT_BYTES:
        raise Refused("msg_too_long")


def check_markdown_text(text: str) -> None:
    if len(text) > MARKDOWN_CHARACTERS:
        raise Refused("msg_too_long")


def check_blocks(blocks: Any, *, most: int = MESSAGE_BLOCKS) -> None:
    """Raises Refused(invalid_blocks_format | invalid_blocks | msg_blocks_too_long)."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise Refused("invalid_blocks_format")
    problems = [*_block_list(blocks, "/blocks", most=most), *_misplaced(blocks, "message", "")]
    if problems:
        raise _refusal("invalid_blocks", problems)
    if _characters(blocks) > BLOCKS_CHARACTERS:
        raise Refused("msg_blocks_too_long")


def check_view(view: Any, *, kinds: tuple[str, ...]) -> None:
    """Raises Refused(invalid_arguments) as views.* answer, with the places in `response_metadata`."""
    if not isinstance(view, dict):
        raise Refused("invalid_arguments")
    problems = list(_view(view, kinds))
    if problems:
        raise _refusal("invalid_arguments", problems)


def _view(view: Json, kinds: tuple[str, ...]) -> Iterator[str]:
    if view.get("type") not in kinds:
        yield f"must be one of {', '.join(kinds)} [json-pointer:/view/type]"
    if view.get("type") == "modal":
        yield from elements.plain_text(view.get("title"), "/view/title", most=24)
    for name in ("submit", "close"):
        if view.get(name) is not None:
            yield from elements.plain_text(view[name], f"/view/{name}", most=24)
    yield from elements.length(view.get("private_metadata"), "/view/private_metadata", most=3000)
    yield from elements.length(view.get("callback_id"), "/view/callback_id", most=255)
    yield from elements.length(view.get("external_id"), "/view/external_id", most=255)
    blocks = view.get("blocks")
    if not isinstance(blocks, list):
        yield "must be an array [json-pointer:/view/blocks]"
        return
    yield from _block_list(blocks, "/view/blocks", most=VIEW_BLOCKS)
    kinds_used = [block.get("type") for block in blocks if isinstance(block, dict)]
    yield from _misplaced(blocks, str(view.get("type")), "/view")
    if view.get("type") == "modal" and "input" in kinds_used and not view.get("submit"):
        yield "submit is required when an input block is within blocks [json-pointer:/view]"


def _misplaced(blocks: list[Any], surface: str, at: str) -> Iterator[str]:
    for number, block in enumerate(blocks):
        kind = block.get("type") if isinstance(block, dict) else None
        if isinstance(kind, str) and surface not in _SURFACES.get(kind, (surface,)):
            yield f"unsupported type in a {surface}: {kind} [json-pointer:{at}/blocks/{number}/type]"


def _block_list(blocks: list[Any], at: str, *, most: int, depth: int = 0) -> Iterator[str]:
    if len(blocks) > most:
        yield f"no more than {most} items allowed [json-pointer:{at}]"
    seen: set[str] = set()
    for number, block in enumerate(blocks):
        here = f"{at}/{number}"
        if not isinstance(block, dict):
            yield f"must be an object [json-pointer:{here}]"
            continue
        block_id = block.get("block_id")
        yield from elements.length(block_id, f"{here}/block_id", most=255)
        if isinstance(block_id, str) and block_id:
            if block_id in seen:
                yield f"block_id {block_id} already exists [json-pointer:{here}/block_id]"
            seen.add(block_id)
        yield from _block(block, here, depth)


def _block(block: Json, at: str, depth: int) -> Iterator[str]:
    check = _CHECKS.get(block.get("type", "")) if isinstance(block.get("type"), str) else None
    if check is None:
        yield f"unsupported type: {block.get('type')} [json-pointer:{at}/type]"
    elif block["type"] in ("container", "carousel"):
        yield from _nest(block, at, depth)
    else:
        yield from check(block, at)


def _section(block: Json, at: str) -> Iterator[str]:
    if block.get("text") is None and not block.get("fields"):
        yield f"missing required field: text [json-pointer:{at}]"
    if block.get("text") is not None:
        yield from elements.text(block["text"], f"{at}/text", most=3000)
    if block.get("fields") is not None:
        for place, item in elements.items(block, "fields", at):
            yield from elements.text(item, place, most=2000)
        yield from elements.count(block, "fields", at, least=1, most=10)
    if block.get("accessory") is not None:
        yield from elements.element(block["accessory"], f"{at}/accessory")


def _header(block: Json, at: str) -> Iterator[str]:
    yield from elements.plain_text(block.get("text"), f"{at}/text", most=150)


def _divider(block: Json, at: str) -> Iterator[str]:
    return iter(())


def _markdown(block: Json, at: str) -> Iterator[str]:
    yield from elements.string(block, "text", at, most=MARKDOWN_CHARACTERS)


def _image(block: Json, at: str) -> Iterator[str]:
    yield from elements.image(block, at)
    if block.get("title") is not None:
        yield from elements.plain_text(block["title"], f"{at}/title", most=2000)


def _context(block: Json, at: str) -> Iterator[str]:
    yield from elements.count(block, "elements", at, least=1, most=10)
    for place, item in elements.items(block, "elements", at):
        if isinstance(item, dict) and item.get("type") == "image":
            yield from elements.image(item, place)
        else:
            yield from elements.text(item, place, most=3000)


def _actions(block: Json, at: str) -> Iterator[str]:
    yield from elements.count(block, "elements", at, least=1, most=25)
    yield from elements.unique_actions(block, at)
    for place, item in elements.items(block, "elements", at):
        yield from elements.element(item, place)


def _context_actions(block: Json, at: str) -> Iterator[str]:
    yield from elements.count(block, "elements", at, least=1, most=5)
    yield from elements.unique_actions(block, at)
    for place, item in elements.items(block, "elements", at):
        kind = item.get("type") if isinstance(item, dict) else None
        if kind not in ("feedback_buttons", "icon_button"):
            yield f"unsupported type: {kind} [json-pointer:{place}/type]"
        else:
            yield from elements.element(item, place)


def _input(block: Json, at: str) -> Iterator[str]:
    yield from elements.plain_text(block.get("label"), f"{at}/label", most=2000)
    if block.get("hint") is not None:
        yield from elements.plain_text(block["hint"], f"{at}/hint", most=2000)
    yield from elements.element(block.get("element"), f"{at}/element", inside_input=True)


def _rich_text(block: Json, at: str) -> Iterator[str]:
    yield from elements.count(block, "elements", at, least=0, most=1000)


def _table(block: Json, at: str) -> Iterator[str]:
    yield from elements.count(block, "rows", at, least=1, most=100)
    for place, row in elements.items(block, "rows", at):
        if not isinstance(row, list) or not 1 <= len(row) <= 20:
            yield f"must have 1 to 20 cells [json-pointer:{place}]"
    if _characters(block.get("rows")) > TABLE_CHARACTERS:
        yield f"must hold less than {TABLE_CHARACTERS + 1} characters [json-pointer:{at}/rows]"


def _task_card(block: Json, at: str) -> Iterator[str]:
    yield from elements.string(block, "task_id", at, most=255)
    yield from elements.string(block, "title", at, most=256)
    if block.get("status") not in (None, "pending", "in_progress", "complete", "error"):
        yield f"unknown status: {block['status']} [json-pointer:{at}/status]"


def _plan(block: Json, at: str) -> Iterator[str]:
    yield from elements.string(block, "title", at, most=256)
    for place, task in elements.items(block, "tasks", at):
        if isinstance(task, dict):
            yield from _task_card(task, place)


def _alert(block: Json, at: str) -> Iterator[str]:
    yield from elements.text(block.get("text"), f"{at}/text", most=3000)
    if block.get("level") not in (None, "default", "info", "warning", "error", "success"):
        yield f"unknown level: {block['level']} [json-pointer:{at}/level]"


def _card(block: Json, at: str) -> Iterator[str]:
    for name, most in (("title", 150), ("subtitle", 150), ("body", 200)):
        if block.get(name) is not None:
            yield from elements.text(block[name], f"{at}/{name}", most=most)


def _chart(block: Json, at: str) -> Iterator[str]:
    if not isinstance(block.get("chart"), dict):
        yield f"missing required field: chart [json-pointer:{at}]"
    yield from elements.string(block, "title", at, most=50)
    for name in ("segments", "series"):
        if isinstance(block.get("chart"), dict) and name in block["chart"]:
            yield from elements.count(block["chart"], name, f"{at}/chart", least=1, most=6)


def _video(block: Json, at: str) -> Iterator[str]:
    yield from elements.string(block, "video_url", at, most=3000)
    yield from elements.plain_text(block.get("title"), f"{at}/title", most=199)


def _nest(block: Json, at: str, depth: int) -> Iterator[str]:
    name = "child_blocks" if block["type"] == "container" else "elements"
    yield from elements.count(block, name, at, least=1, most=10)
    children = block.get(name)
    if depth >= _DEPTH:
        yield f"nested too deep [json-pointer:{at}]"
    elif isinstance(children, list):
        yield from _block_list(children, f"{at}/{name}", most=10, depth=depth + 1)


_CHECKS = {
    "section": _section,
    "header": _header,
    "divider": _divider,
    "markdown": _markdown,
    "image": _image,
    "context": _context,
    "actions": _actions,
    "context_actions": _context_actions,
    "input": _input,
    "rich_text": _rich_text,
    "table": _table,
    "task_card": _task_card,
    "plan": _plan,
    "alert": _alert,
    "card": _card,
    "data_visualization": _chart,
    "video": _video,
    "container": _divider,
    "carousel": _divider,
}


def _characters(value: Any) -> int:
    """The characters of every `text` and string cell inside, however deep."""
    if isinstance(value, str):
        return 0
    if isinstance(value, dict):
        own = value.get("text")
        return (len(own) if isinstance(own, str) else 0) + sum(map(_characters, value.values()))
    if isinstance(value, list):
        return sum(map(_characters, value))
    return 0


def _refusal(code: str, problems: list[str]) -> Refused:
    messages = [f"[ERROR] {problem}" for problem in problems]
    return Refused(code, errors=problems, response_metadata={"messages": messages})
