"""What a person types in; Slack's message markup out (`&lt;`, `<@U1>`), and the rich_text block Slack makes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(
    r"<(?:@[UW][A-Z0-9]+(?:\|[^<>]*)?"
    r"|#C[A-Z0-9]+(?:\|[^<>]*)?"
    r"|!(?:here|channel|everyone|subteam\^[A-Z0-9]+(?:\|[^<>]*)?|date\^[^<>]+)"
    r"|(?:https?://|mailto:)[^<>\s|]+(?:\|[^<>]*)?)>"
)
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt);)")
_AT_NAME = re.compile(r"(?<![\w@<])@([A-Za-z0-9][A-Za-z0-9._-]*)")
_BARE_URL = re.compile(r"https?://[^\s<>|]*[^\s<>|.,;:!?)\]}'\"]")


def escaped(text: str) -> str:
    """Text with every `&`, `<` and `>` that is not Slack markup written as an entity. Idempotent."""
    parts: list[str] = []
    end = 0
    for token in _TOKEN.finditer(text):
        parts.append(_plain(text[end : token.start()]))
        parts.append(token.group())
        end = token.end()
    parts.append(_plain(text[end:]))
    return "".join(parts)


def as_typed(text: str, user_ids: Mapping[str, str]) -> str:
    """Escaped text in which `@name` of a known user became `<@ID>` and a bare link `<link>`.

    `user_ids` maps lower-case names to user ids.
    """
    parts: list[str] = []
    end = 0
    for token in _TOKEN.finditer(text):
        parts.append(_typed(text[end : token.start()], user_ids))
        parts.append(token.group())
        end = token.end()
    parts.append(_typed(text[end:], user_ids))
    return "".join(parts)


def unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def mentioned(text: str) -> set[str]:
    """The ids of the users that the text mentions."""
    return set(re.findall(r"<@([UW][A-Z0-9]+)", text))


def as_rich_text(text: str, block_id: str) -> dict[str, Any]:
    """The one rich_text block that Slack adds to a message that a person typed."""
    elements: list[dict[str, Any]] = []
    end = 0
    for token in _TOKEN.finditer(text):
        if token.start() > end:
            elements.append({"type": "text", "text": unescaped(text[end : token.start()])})
        elements.append(_rich_token(token.group()[1:-1]))
        end = token.end()
    if end < len(text):
        elements.append({"type": "text", "text": unescaped(text[end:])})
    section = {"type": "rich_text_section", "elements": elements}
    return {"type": "rich_text", "block_id": block_id, "elements": [section]}


def _plain(text: str) -> str:
    return _ENTITY.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")


def _typed(text: str, user_ids: Mapping[str, str]) -> str:
    def mention(match: re.Match[str]) -> str:
        name = match.group(1)
        trimmed = name.rstrip(".-_")
        for known in (name, trimmed):
            if known.lower() in user_ids:
                return f"<@{user_ids[known.lower()]}>" + name[len(known) :]
        return match.group()

    text = _plain(text)
    text = _BARE_URL.sub(lambda link: f"<{link.group()}>", text)
    return _AT_NAME.sub(mention, text)


def _rich_token(token: str) -> dict[str, Any]:
    target, _, label = token.partition("|")
    if target.startswith("@"):
        return {"type": "user", "user_id": target[1:]}
    if target.startswith("#"):
        return {"type": "channel", "channel_id": target[1:]}
    if target.startswith("!subteam^"):
        return {"type": "usergroup", "usergroup_id": target.removeprefix("!subteam^")}
    if target.startswith("!date"):
        return {"type": "text", "text": label or target}
    if target.startswith("!"):
        return {"type": "broadcast", "range": target[1:]}
    link: dict[str, Any] = {"type": "link", "url": unescaped(target)}
    return link | ({"text": unescaped(label)} if label else {})
