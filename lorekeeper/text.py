"""Text in; the same text normalised, cut, compared, or turned from Slack's markup into Markdown, out."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_ANGLE = re.compile(r"<([^<>\n]+)>")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\w\"'(\[`*])|\n+")
_WORD = re.compile(r"\w+")
_ARTICLES = frozenset({"a", "an", "the"})


def normalise(text: str) -> str:
    """NFKC, case folded, white space as single spaces: equal for people means equal here."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def shorten(text: str, length: int) -> str:
    """At most `length` characters on one line, cut at a word where there is one."""
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    cut = line[: max(0, length - 1)]
    head, space, _ = cut.rpartition(" ")
    return (head if space and len(head) > length // 2 else cut).rstrip() + "…"


def words(text: str) -> list[str]:
    """Lower-case words without punctuation."""
    return _WORD.findall(normalise(text))


def token_f1(prediction: str, reference: str) -> float:
    """Harmonic mean of precision and recall over words, articles aside (SQuAD 1.1's measure)."""
    told = [word for word in words(prediction) if word not in _ARTICLES]
    wanted = [word for word in words(reference) if word not in _ARTICLES]
    if not told or not wanted:
        return float(told == wanted)
    common = sum((Counter(told) & Counter(wanted)).values())
    return 2 * common / (len(told) + len(wanted))


def sentences(text: str) -> list[str]:
    """The text in pieces that join to it again: sentences, with code blocks whole."""
    pieces: list[str] = []
    at = 0
    for fence in _FENCE.finditer(text):
        pieces += _cut(text[at : fence.start()])
        pieces.append(fence.group())
        at = fence.end()
    return [piece for piece in [*pieces, *_cut(text[at:])] if piece]


def _cut(text: str) -> list[str]:
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]


def slack_to_markdown(message: Mapping[str, Any]) -> str:
    """A Slack message as Markdown: its `rich_text` blocks where it has them, else its `text`."""
    rich = [b for b in message.get("blocks") or () if b.get("type") == "rich_text"]
    if rich:
        folded = "\n".join(_rich(element) for block in rich for element in block["elements"])
        if folded.strip():
            return folded.strip()
    return mrkdwn_to_markdown(str(message.get("text") or ""))


def mrkdwn_to_markdown(text: str) -> str:
    """Slack's own markup as Markdown; what stands in code is only unescaped."""
    parts: list[str] = []
    at = 0
    for code in _CODE.finditer(text):
        parts += [_plain(text[at : code.start()]), html.unescape(_unangled(code.group()))]
        at = code.end()
    return "".join([*parts, _plain(text[at:])]).strip()


def _plain(text: str) -> str:
    linked = _ANGLE.sub(lambda found: _angle(found.group(1)), text)
    bold = re.sub(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])", r"**\1**", linked)
    struck = re.sub(r"(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])", r"~~\1~~", bold)
    return html.unescape(struck)


def _angle(inside: str) -> str:
    """`<@U1|name>`, `<#C1|name>`, `<!here>`, `<url|label>`; people and channels stay as they are."""
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        return f"<{target}>"
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    if target.startswith("!"):
        return f"@{label or target[1:].split('^')[0]}"
    return f"[{label}]({target})" if label and label != target else target


def _unangled(code: str) -> str:
    """Slack links addresses in code, too; there they are text."""
    return re.sub(r"<(https?://[^|<>\n]+)(?:\|[^<>\n]*)?>", r"\1", code)


def _rich(element: Mapping[str, Any]) -> str:
    kind = element.get("type")
    inner = element.get("elements") or ()
    if kind == "rich_text_preformatted":
        return "```\n" + "".join(_inline(e, code=True) for e in inner) + "\n```"
    if kind == "rich_text_list":
        return "\n".join(_item(element, number, e) for number, e in enumerate(inner, 1))
    folded = "".join(_inline(e) for e in inner)
    if kind == "rich_text_quote":
        return "\n".join(f"> {line}" for line in folded.split("\n"))
    return folded


def _item(element: Mapping[str, Any], number: int, item: Mapping[str, Any]) -> str:
    mark = f"{number}." if element.get("style") == "ordered" else "-"
    return "  " * int(element.get("indent") or 0) + f"{mark} {_rich(item)}"


def _inline(element: Mapping[str, Any], *, code: bool = False) -> str:
    kind = element.get("type")
    if kind == "link":
        label, url = element.get("text"), str(element.get("url", ""))
        return f"[{label}]({url})" if label and label != url and not code else url
    if kind == "user":
        return f"<@{element.get('user_id', '')}>"
    if kind == "channel":
        return f"<#{element.get('channel_id', '')}>"
    if kind == "emoji":
        return f":{element.get('name', '')}:"
    if kind == "broadcast":
        return f"@{element.get('range', 'here')}"
    if kind == "text":
        text = str(element.get("text", ""))
        return text if code else _styled(text, element.get("style") or {})
    return str(element.get("text") or element.get("fallback") or "")


def _styled(text: str, style: Mapping[str, Any]) -> str:
    """Marks hug the words: Markdown does not see them where they touch white space."""
    core = text.strip()
    if not core:
        return text
    marks = [m for name, m in _MARKS.items() if style.get(name)]
    for mark in marks:
        core = f"{mark}{core}{mark}"
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{before}{core}{after}" if marks else text


_MARKS = {"code": "`", "bold": "**", "italic": "_", "strike": "~~"}
