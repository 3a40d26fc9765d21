"""Texts of any length in; texts and simple blocks that Slack takes out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

Block = dict[str, Any]

SECTION = 3000  # characters of a section's text
CONTEXT_ELEMENTS = 10
MARKDOWN = 11_500  # of a `markdown` block: Slack says 12,000 and counts some characters twice
BUTTON = 75
OPTION = 75
VALUE = 2000
URL = 3000
HEADER = 150
FALLBACK = 900  # characters of a message's plain text: 4 bytes each stay below Slack's 4,000

_SLACK_USER = re.compile(r"[UW][A-Z0-9]+")
_MARKUP = re.compile(r"[&<>]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape(text: str) -> str:
    """What somebody wrote, so that Slack shows it as it is: no mention, no link, no markup of ours."""
    return _MARKUP.sub(lambda match: _ENTITIES[match[0]], text)


def shorten(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis; never longer than `limit`."""
    if len(text) <= limit:
        return text
    return text[: limit - 1].rstrip() + "…"


def escaped(text: str, limit: int) -> str:
    """Escape and shorten, counting the escaped characters and never cutting through one."""
    whole = escape(text)
    if len(whole) <= limit:
        return whole
    room = limit - 1
    kept: list[str] = []
    for character in text:
        piece = _ENTITIES.get(character, character)
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept) + "…"


def quoted(text: str, limit: int) -> str:
    """As a mrkdwn quotation, with code blocks as they are: Slack shows no quotation mark beside code."""
    lines = text.strip().splitlines() or [""]
    room = limit - 5 * (len(lines) + 1)
    if room < 1:
        lines, room = [" ".join(lines)], limit - 10
    told: list[str] = []
    in_code = False
    for line in escaped("\n".join(lines), room).splitlines():
        if line.startswith("```"):
            in_code = not in_code
            told.append("```")  # mrkdwn knows no languages and would show the word
        else:
            told.append(line if in_code else f">{line}")
    return "\n".join([*told, "```"] if in_code else told)


def link(url: str, label: str, *, limit: int = 200) -> str:
    """A mrkdwn link, or only its label where there is no address that Slack would open."""
    shown = escaped(label.replace("\n", " ").replace("|", "¦"), limit)
    return f"<{url}|{shown}>" if opens(url) else shown


def person(by: str | None) -> str:
    """A mention of a Slack user; of anybody else, such as an operating-system user, the name."""
    if by and _SLACK_USER.fullmatch(by):
        return f"<@{by}>"
    return f"`{escaped(by or 'somebody', 60)}`"


def mention(id_: str) -> str:
    """What calls a user, or everyone in a user group."""
    return f"<!subteam^{id_}>" if id_.startswith("S") else f"<@{id_}>"


def is_slack_user(by: str | None) -> bool:
    return bool(by and _SLACK_USER.fullmatch(by))


def opens(url: str) -> bool:
    """Whether Slack takes it as an address that opens."""
    is_web = url.startswith(("https://", "http://")) and len(url) <= URL
    return is_web and not re.search(r"[|<>\s]", url)


def pieces(text: str, limit: int = MARKDOWN) -> Iterator[str]:
    """Cut a Markdown text into parts of at most `limit` characters, at paragraphs or lines or words.

    A fenced code block that is cut is closed in one part and opened again in the next. Nothing but
    whitespace at a cut is lost.
    """
    fence = ""
    while True:
        opened = f"{fence}\n" if fence else ""
        if len(opened) + len(text) <= limit:
            yield opened + text
            return
        cut = _cut(text, limit - len(opened) - len("\n```"))
        head, text = text[:cut], text[cut:].lstrip("\n")
        fence = _open_fence(opened + head)
        yield opened + head + ("\n```" if fence else "")


def _cut(text: str, limit: int) -> int:
    """Where to cut: after the last paragraph, line or word that fits, but not into the first third."""
    for boundary in ("\n\n", "\n", " "):
        at = text.rfind(boundary, limit // 3, limit)
        if at > 0:
            return at + (1 if boundary == " " else 0)
    return limit


def _open_fence(text: str) -> str:
    """The line that opened a code block which is still open at the end of the text."""
    fences = [line for line in text.split("\n") if line.startswith("```")]
    return fences[-1][:40] if len(fences) % 2 else ""


def section(text: str) -> Block:
    """A section of mrkdwn. The caller has escaped what others wrote."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": shorten(text, SECTION) or " "}}


def context(*texts: str) -> Block:
    """Small print in mrkdwn."""
    shown = [text for text in texts if text][:CONTEXT_ELEMENTS] or [" "]
    elements = [{"type": "mrkdwn", "text": shorten(text, SECTION)} for text in shown]
    return {"type": "context", "elements": elements}


def header(text: str) -> Block:
    return {"type": "header", "text": plain(text, HEADER)}


def markdown(text: str) -> Block:
    return {"type": "markdown", "text": text or " "}


def divider() -> Block:
    return {"type": "divider"}


def plain(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": shorten(text, limit) or " ", "emoji": True}


def button(
    label: str, action_id: str, value: str, *, style: str | None = None, confirm: str | None = None
) -> Block:
    """A button; `confirm` is what Slack asks before it counts as pressed."""
    made: Block = {
        "type": "button",
        "text": plain(label, BUTTON),
        "action_id": action_id,
        "value": value[:VALUE],
    }
    if style:
        made["style"] = style
    if confirm:
        made["confirm"] = {
            "title": plain("Are you sure?", 100),
            "text": plain(confirm, 300),
            "confirm": plain(label, 30),
            "deny": plain("No", 30),
        }
    return made


def actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": list(elements)}


def select(label: str, action_id: str, options: Sequence[tuple[str, str]]) -> Block:
    """A menu of (label, value)."""
    return {
        "type": "static_select",
        "action_id": action_id,
        "placeholder": plain(label, 150),
        "options": [option(text, value) for text, value in options],
    }


def option(label: str, value: str) -> Block:
    return {"text": plain(label, OPTION), "value": value}


def table(rows: Sequence[Sequence[str]]) -> Block:
    """A table of short texts; the first row is its head, columns after the first align right."""
    wide = max(len(row) for row in rows)
    settings = [{"align": "left"}] + [{"align": "right"} for _ in range(wide - 1)]
    return {
        "type": "table",
        "column_settings": settings,
        "rows": [[{"type": "raw_text", "text": shorten(c, 80) or " "} for c in r] for r in rows],
    }
